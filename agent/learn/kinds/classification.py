"""Classification: one logit a class. Cross entropy; the figure is the share that was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from agent.core.round import Task
from agent.errors import Malformed
from agent.learn.kinds.kind import Labels, Numbers, Shape, Sort, Stated
from agent.learn.settings import Keep
from agent.ports import Label


class Classification:
    states: ClassVar[Stated] = ("accuracy", "share", "higher")
    label_shape: ClassVar[Shape] = ()
    is_road: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False
    takes_logits: ClassVar[bool] = True
    has_boxes: ClassVar[bool] = False
    can_be_pulled: ClassVar[bool] = True
    fewest_classes: ClassVar[int] = 2

    def __init__(self, task: Task, sample: tuple[int, int, int]) -> None:
        self.outputs = self.teacher_outputs = len(task.classes)

    def sort(self, keep: Keep) -> Sort | None:
        return None if keep == "uniform" else in_whole

    def written(self, label: Label, crop_top: float) -> Labels | None:
        known = isinstance(label, float | int) and label in range(self.outputs)
        return np.asarray(label, np.float32) if known else None

    def check(self, labels: Labels) -> None:
        if labels.min() < 0 or int(labels.max()) >= self.outputs:
            raise Malformed(what="a test set", why=f"labels up to {labels.max():.0f} for {self.outputs} classes")

    def targets(self, labels: Labels) -> Labels:
        return labels

    def losses(self, outputs: Numbers, targets: Numbers) -> Numbers:
        top = outputs.max(axis=1, keepdims=True)
        spread = top[:, 0] + np.log(np.exp(outputs - top).sum(axis=1))
        found: Numbers = spread - outputs[np.arange(len(targets)), targets.astype(np.int64)]
        return found

    def rows(self, outputs: Numbers, labels: Numbers) -> Numbers:
        right: Numbers = (outputs.argmax(axis=1) == labels.astype(np.int64)).astype(np.float64)
        return right[:, None]

    def figure(self, rows: Numbers) -> float:
        return float(rows.mean())

    def sure(self, outputs: Numbers, confidence: float, crop_top: float) -> Sequence[Label | None]:
        """The confidence is the softmax of the best."""
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        best, sure = outputs.argmax(axis=1), shares.max(axis=1) / shares.sum(axis=1)
        return [float(label) if share >= confidence else None for label, share in zip(best, sure, strict=True)]


def in_whole(label: Labels | float) -> int:
    """Each class its own."""
    return int(label)
