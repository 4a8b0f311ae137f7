"""Measuring weights with onnxruntime alone: what validators vote on, and what a round is worth on a car's
roads.

The loss is the one that training lowers: smooth L1 of the scaled angle, or cross entropy. The figure is for
people: RMSE in degrees, or the share that was right. Both are the same as torch's to 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from agent.core.documents import Figure, Task
from agent.errors import Malformed
from agent.learn.device import HERE, Device
from agent.learn.graph import Graph
from agent.learn.runner import Labels, Outputs, Runner, Samples
from agent.learn.weights import Weights

Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """What a network makes of labelled samples."""

    loss: float
    """Infinite when an output is no number, so that such weights never look harmless."""
    figure: float
    samples: int
    losses: Losses
    """Per sample."""


class Scorer:
    """Scores any weights of one graph on a task."""

    def __init__(self, graph: Graph, task: Task, machine: Device = HERE) -> None:
        self._graph, self._task, self._machine = graph, task, machine

    def __repr__(self) -> str:
        return f"<Scorer {self._task.kind} {self._graph.sample}>"

    def score(self, weights: Weights, samples: Samples, labels: Labels) -> Score:
        """Raises Malformed when weights or samples are not the graph's."""
        return score(Runner(self._graph, weights, self._machine).run(samples), labels, self._task)


def score(outputs: Outputs, labels: Labels, task: Task) -> Score:
    """`outputs` (n, k) float32 as the network gives them, `labels` (n,) degrees or class indices."""
    if not len(labels) or len(outputs) != len(labels):
        raise Malformed(what="a test set", why=f"{len(outputs)} outputs for {len(labels)} labels")
    with np.errstate(invalid="ignore", over="ignore"):
        losses, figure = TASKS[task.kind](outputs.astype(np.float64), labels.astype(np.float64), task)
    losses = np.where(np.isfinite(losses), losses, np.inf)
    return Score(loss=float(losses.mean()), figure=figure, samples=len(labels), losses=losses)


def figure(task: Task, measured: Score) -> Figure:
    """The figure as a round states it, to six places."""
    value = Decimal(f"{measured.figure:.6f}")
    if task.kind == "steering":
        return Figure(name="rmse", unit="deg", better="lower", value=value, samples=measured.samples)
    return Figure(name="accuracy", unit="share", better="higher", value=value, samples=measured.samples)


def _steering(outputs: Losses, labels: Losses, task: Task) -> tuple[Losses, float]:
    scale = float(task.scale)
    off = np.abs(outputs[:, 0] - labels / scale)
    losses = np.where(off < 1.0, 0.5 * off * off, off - 0.5)
    return losses, float(scale * np.sqrt(np.mean(off * off)))


def _classification(outputs: Losses, labels: Losses, task: Task) -> tuple[Losses, float]:
    chosen = labels.astype(np.int64)
    if chosen.min() < 0 or chosen.max() >= outputs.shape[1]:
        raise Malformed(what="a test set", why=f"labels up to {chosen.max()} for {outputs.shape[1]} classes")
    top = outputs.max(axis=1, keepdims=True)
    spread = top[:, 0] + np.log(np.exp(outputs - top).sum(axis=1))
    return spread - outputs[np.arange(len(chosen)), chosen], float((outputs.argmax(axis=1) == chosen).mean())


TASKS: dict[str, Callable[[Losses, Losses, Task], tuple[Losses, float]]] = {
    "steering": _steering,
    "classification": _classification,
}
