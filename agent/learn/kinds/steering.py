"""Steering: one number, 1.0 of it is the task's scale in degrees. Smooth L1 of the scaled angle (Girshick 2015); the
figure is the RMSE in degrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from agent.core.round import Task
from agent.learn.kinds.kind import Labels, Numbers, Shape, Sort, Stated, sigmoid
from agent.learn.settings import Keep
from agent.ports import Label


class Steering:
    states: ClassVar[Stated] = ("rmse", "deg", "lower")
    label_shape: ClassVar[Shape] = ()
    is_road: ClassVar[bool] = True
    mirrors: ClassVar[bool] = True
    takes_logits: ClassVar[bool] = False
    has_boxes: ClassVar[bool] = False
    can_be_pulled: ClassVar[bool] = False
    fewest_classes: ClassVar[int] = 0

    def __init__(self, task: Task, sample: tuple[int, int, int]) -> None:
        self.scale = float(task.scale)
        self.outputs, self.teacher_outputs = 1, 2

    def sort(self, keep: Keep) -> Sort | None:
        return bend if keep == "rare" else None

    def written(self, label: Label, crop_top: float) -> Labels | None:
        return np.asarray(label, np.float32) if isinstance(label, float | int) and math.isfinite(label) else None

    def check(self, labels: Labels) -> None:
        """Any number of degrees will do."""

    def targets(self, labels: Labels) -> Labels:
        return labels

    def losses(self, outputs: Numbers, targets: Numbers) -> Numbers:
        off = np.abs(outputs[:, 0] - targets / self.scale)
        return np.where(off < 1.0, 0.5 * off * off, off - 0.5)

    def rows(self, outputs: Numbers, labels: Numbers) -> Numbers:
        off = outputs[:, 0] - labels / self.scale
        return (off * off)[:, None]

    def figure(self, rows: Numbers) -> float:
        return float(self.scale * np.sqrt(np.mean(rows)))

    def sure(self, outputs: Numbers, confidence: float, crop_top: float) -> Sequence[Label | None]:
        """Two numbers: the angle, and the logit of the confidence in it."""
        angles, sure = outputs[:, 0] * self.scale, sigmoid(outputs[:, 1])
        return [float(angle) if share >= confidence else None for angle, share in zip(angles, sure, strict=True)]


def bend(label: Labels | float) -> int:
    """Straight on, and bends twice as tight each."""
    return math.floor(math.log2(1 + abs(float(label))))
