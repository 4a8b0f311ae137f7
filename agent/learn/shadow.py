"""The newest round in shadow: what it would have done on this car's roads, beside the round before.

Nothing steers by it. A round that is surely worse here than the last one is marked, so that its owner hears
of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.core.round import Task
from agent.learn import kinds
from agent.learn.runner import Labels, Runner, Samples
from agent.learn.score import Score, score

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
    """Takes the trip's labelled samples as they come and keeps nothing of them but what networks made of them."""

    def __init__(self, newest: Runner, last: Runner | None, task: Task) -> None:
        self._runners, self._kind = [newest, *filter(None, [last])], kinds.of(task, newest.sample)
        self._scores: list[list[Score]] = []

    def __repr__(self) -> str:
        return f"<Shadow {self.samples} samples>"

    @property
    def samples(self) -> int:
        return sum(first.samples for first, *_ in self._scores)

    def see(self, samples: Samples, labels: Labels) -> None:
        """(n, channels, height, width) uint8 and what the driver did. Raises Malformed."""
        self._scores.append([score(runner.run(samples), labels, self._kind) for runner in self._runners])

    def verdict(self) -> Comparison | None:
        """None before enough samples were seen."""
        if self.samples < FEWEST:
            return None
        newest, *last = map(self._figure, zip(*self._scores, strict=True))
        if not last:
            return Comparison(newest=newest, last=None, samples=self.samples, worse=False)
        difference = np.concatenate([new.losses - old.losses for new, old in self._scores])
        margin = SURE * float(difference.std()) / math.sqrt(len(difference))
        worse = not float(difference.mean()) <= margin
        return Comparison(newest=newest, last=last[0], samples=self.samples, worse=worse)

    def _figure(self, scores: Sequence[Score]) -> float:
        return self._kind.figure(np.concatenate([each.rows() for each in scores]))
