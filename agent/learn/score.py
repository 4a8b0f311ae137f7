"""Measuring weights with onnxruntime alone: what validators vote on, and what a round is worth on a car's
roads.

The loss is the one that training lowers, the figure is for people (`learn.kinds`). Both are the same as torch's to
1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Figure, Task
from agent.errors import Malformed
from agent.learn import kinds
from agent.learn.device import HERE, Device
from agent.learn.graph import Graph
from agent.learn.kinds import Kind
from agent.learn.runner import Labels, Outputs, Runner, Samples
from agent.learn.testset import TestSet
from agent.learn.weights import Weights

Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """What a network makes of labelled samples."""

    loss: float
    """Infinite when an output is no number, so that such weights never look harmless."""
    losses: Losses
    """Per sample."""
    kind: Kind
    rows: Callable[[], Losses]
    """What the figure follows from. Worked out when it is asked for: verdicts need losses alone."""

    @property
    def figure(self) -> float:
        return self.kind.figure(self.rows())

    @property
    def samples(self) -> int:
        return len(self.losses)


class Scorer:
    """Scores any weights of one graph on a task."""

    def __init__(self, graph: Graph, task: Task, machine: Device = HERE) -> None:
        self._graph, self.kind, self._machine = graph, kinds.of(task, graph.sample), machine

    def __repr__(self) -> str:
        return f"<Scorer {type(self.kind).__name__} {self._graph.sample}>"

    def score(self, weights: Weights, samples: Samples, labels: Labels) -> Score:
        """Raises Malformed when weights, samples or labels are not the graph's and the task's."""
        return score(self.outputs(weights, samples), labels, self.kind)

    def on(self, tests: TestSet) -> Callable[[Weights, slice], Losses]:
        """Losses of weights on part of these samples, whose targets are worked out once. Raises as `score`."""
        targets = _targets(tests.labels, self.kind)
        return lambda weights, part: _losses(self.outputs(weights, tests.images[part]), targets[part], self.kind)

    def outputs(self, weights: Weights, samples: Samples) -> Outputs:
        """(n, outputs) float32. Raises Malformed when weights or samples are not the graph's."""
        return Runner(self._graph, weights, self._machine).run(samples)


def score(outputs: Outputs, labels: Labels, kind: Kind) -> Score:
    """`outputs` (n, k) float32 as the network gives them, `labels` (n, *label_shape)."""
    losses = _losses(outputs, _targets(labels, kind), kind)
    wide = outputs.astype(np.float64)
    return Score(float(losses.mean()), losses, kind, lambda: kind.rows(wide, labels.astype(np.float64)))


def _targets(labels: Labels, kind: Kind) -> Labels:
    """What the loss compares outputs with. Raises Malformed where the labels are none of the task's."""
    if labels.shape[1:] != kind.label_shape:
        raise Malformed(what="a test set", why=f"a label is {labels.shape[1:]} numbers, the task's {kind.label_shape}")
    if len(labels):
        kind.check(labels)
    return kind.targets(labels)


def _losses(outputs: Outputs, targets: Labels, kind: Kind) -> Losses:
    """(n,): what is no number is infinite."""
    if not len(targets) or len(outputs) != len(targets):
        raise Malformed(what="a test set", why=f"{len(outputs)} outputs for {len(targets)} labels")
    with np.errstate(invalid="ignore", over="ignore"):
        losses = kind.losses(outputs.astype(np.float64), targets.astype(np.float64))
    return np.where(np.isfinite(losses), losses, np.inf)


def figure(measured: Score) -> Figure:
    """The figure as a round states it, to six places."""
    name, unit, better = measured.kind.states
    value = Decimal(f"{measured.figure:.6f}")
    return Figure(name=name, unit=unit, better=better, value=value, samples=measured.samples)
