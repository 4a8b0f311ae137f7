"""The kinds of task, a class each: `of(task, sample)` is the one place where a kind's name decides anything."""

from __future__ import annotations

from collections.abc import Callable

from agent.core.round import Task
from agent.learn.kinds.classification import Classification
from agent.learn.kinds.detection import Detection
from agent.learn.kinds.kind import Kind as Kind
from agent.learn.kinds.steering import Steering

KINDS: dict[str, Callable[[Task, tuple[int, int, int]], Kind]] = {
    "steering": Steering,
    "classification": Classification,
    "detection": Detection,
}


def of(task: Task, sample: tuple[int, int, int]) -> Kind:
    """`sample`: channels, height, width."""
    return KINDS[task.kind](task, sample)
