"""The newest round in shadow: what it would have done on this car's roads, beside the round before.

Nothing steers by it. A round that is surely worse here than the last one is marked, so that its owner hears
of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.core.documents import Task
from agent.learn.runner import Labels, Runner, Samples
from agent.learn.score import Losses, score

SURE = 3.0
"""Standard errors by which the loss must be higher. Frames of one trip are not independent, hence not two."""
FEWEST = 64
"""Samples before anything is said."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A round, and the one before, on the same samples."""

    newest: float
    """The task's figure: RMSE in degrees, or the share that was right."""
    last: float | None
    """The round before; None where there is none to compare with."""
    samples: int
    worse: bool


class Shadow:
    """Takes the trip's labelled samples as they come and keeps nothing of them but losses."""

    def __init__(self, newest: Runner, last: Runner | None, task: Task) -> None:
        self._runners, self._task = [newest, *filter(None, [last])], task
        self._losses: list[list[Losses]] = []
        self._squares = np.zeros(len(self._runners))
        self._samples = 0

    def __repr__(self) -> str:
        return f"<Shadow {self._samples} samples>"

    def see(self, samples: Samples, labels: Labels) -> None:
        """(n, channels, height, width) uint8 and what the driver did. Raises Malformed."""
        scores = [score(runner.run(samples), labels, self._task) for runner in self._runners]
        self._losses.append([each.losses for each in scores])
        # Both figures are means over samples: of squares under a root, or of hits.
        power = 2 if self._task.kind == "steering" else 1
        self._squares += np.array([each.figure for each in scores]) ** power * len(labels)
        self._samples += len(labels)

    def verdict(self) -> Comparison | None:
        """None before enough samples were seen."""
        if self._samples < FEWEST:
            return None
        power = 2 if self._task.kind == "steering" else 1
        newest, *last = (float(figure) for figure in (self._squares / self._samples) ** (1.0 / power))
        if not last:
            return Comparison(newest=newest, last=None, samples=self._samples, worse=False)
        difference = np.concatenate([new - old for new, old in self._losses])
        margin = SURE * float(difference.std()) / math.sqrt(len(difference))
        worse = not float(difference.mean()) <= margin
        return Comparison(newest=newest, last=last[0], samples=self._samples, worse=worse)
