"""Detection without anchors (after FCOS, Tian et al. 2019, on one level): every cell of 8 x 8 pixels says for each
class whether it lies in the middle of one, and where that one's box is.

Outputs are (classes + 4, rows, columns) of numbers in a row, rows and columns being the sample's height and width over
8, rounded up. For each cell: one logit a class, then the box's centre as its distance from the cell's, in cells, to the
right and down, then the logs of its width and height in cells.

A label is MOST rows of (class index, left, top, right, bottom), sides as shares of the sample; a class of -1 is no box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.core.boxes import Box
from agent.core.round import Task
from agent.errors import Malformed
from agent.learn.kinds import precision
from agent.learn.kinds.kind import Labels, Numbers, Shape, Sort, Stated, sigmoid
from agent.learn.settings import Keep
from agent.ports import Label

CELL = 8
"""Pixels."""
MOST = 32
"""Boxes in one picture; of more the largest count."""
REACH = 1.5 * CELL
"""A cell looks for a box whose centre is no further from its own, along each axis (centre sampling)."""
SMALLEST, LARGEST = -4.0, 6.0
"""Bounds of the logs of width and height."""
ALPHA, GAMMA = 0.25, 2.0
"""Of the focal loss (Lin et al. 2017)."""
SEEN = 0.05
"""Confidence below which a cell says nothing."""
CANDIDATES, FOUND = 200, 100
"""Of one sample, before and after overlapping ones are left out."""
SAME = 0.5
"""IoU above which two boxes of one class are one."""


class Detection:
    states: ClassVar[Stated] = ("map50", "share", "higher")
    label_shape: ClassVar[Shape] = (MOST, 5)
    is_road: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False
    takes_logits: ClassVar[bool] = True
    has_boxes: ClassVar[bool] = True
    can_be_pulled: ClassVar[bool] = False
    fewest_classes: ClassVar[int] = 1

    def __init__(self, task: Task, sample: tuple[int, int, int]) -> None:
        _, self.height, self.width = sample
        self.classes = len(task.classes)
        self.rows_columns = cells(sample)
        self.outputs = self.teacher_outputs = (self.classes + 4) * self.rows_columns[0] * self.rows_columns[1]
        down, right = np.indices(self.rows_columns)
        self.centres = CELL * (np.stack([right, down], axis=-1).reshape(-1, 2) + 0.5)
        """(cells, 2): x and y in pixels."""
        self.size = np.array([self.width, self.height] * 2, np.float64)

    def sort(self, keep: Keep) -> Sort | None:
        """A picture has boxes of several sorts."""

    # --- labels

    def written(self, label: Label, crop_top: float) -> Labels | None:
        if not isinstance(label, tuple) or not all(box.index in range(self.classes) for box in label):
            return None
        boxes = [box for box in (one.below(crop_top) for one in label) if box is not None]
        found = np.full(self.label_shape, -1, np.float32)
        for row, box in enumerate(sorted(boxes, key=lambda one: -one.area)[:MOST]):
            found[row] = box.index, box.left, box.top, box.right, box.bottom
        return found if np.isfinite(found).all() else None

    def check(self, labels: Labels) -> None:
        index, sides = labels[..., 0], labels[..., 1:]
        boxes = sides[index >= 0]
        known = (index == np.floor(index)) & (index >= -1) & (index < self.classes)
        if not known.all():
            raise Malformed(what="a test set", why=f"a box is of none of the {self.classes} classes")
        if boxes.size and (boxes.min() < 0 or boxes.max() > 1 or not (boxes[:, 2:] > boxes[:, :2]).all()):
            raise Malformed(what="a test set", why="a box is empty, or beyond its picture")

    def targets(self, labels: Labels) -> Labels:
        """(n, cells, 5): the class that each cell is to find, -1 for none, and its box in pixels. A cell looks for the
        smallest of the boxes that it lies in the middle of; and the cell that a box's centre is in looks for that one,
        unless it does for a smaller."""
        found = np.full((len(labels), len(self.centres), 5), -1, np.float32)
        for sample, boxes in zip(found, labels, strict=True):
            known = boxes[boxes[:, 0] >= 0].astype(np.float64)
            sides = known[:, 1:] * self.size
            areas = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1])
            for row in np.argsort(-areas, kind="stable"):
                cell = self._middle(sides[row])
                sample[cell, 0], sample[cell, 1:] = known[row, 0], sides[row]
        return found

    def _middle(self, box: Numbers) -> NDArray[np.bool_]:
        """Which cells look for a box."""
        centre = (box[:2] + box[2:]) / 2
        off = np.abs(self.centres - centre)
        inside = ((self.centres > box[:2]) & (self.centres < box[2:])).all(axis=1)
        own = off.max(axis=1) == off.max(axis=1).min()
        found: NDArray[np.bool_] = (inside & (off <= REACH).all(axis=1)) | own
        return found

    # --- the loss

    def losses(self, outputs: Numbers, targets: Numbers) -> Numbers:
        """Focal loss summed over cells and classes, and 1 - GIoU (Rezatofighi et al. 2019) summed over the cells that
        are to find a box; both over the number of those cells."""
        logits, boxes = self._parts(outputs)
        wanted, to_find = targets[..., 0], targets[..., 0] >= 0
        truth = wanted[..., None] == np.arange(self.classes)
        towards = np.where(truth, -logits, logits)
        weight = np.where(truth, ALPHA, 1 - ALPHA) * sigmoid(towards) ** GAMMA
        focal = (weight * np.logaddexp(0, towards)).sum(axis=(1, 2))
        apart = np.where(to_find, 1 - precision.giou(boxes, targets[..., 1:]), 0).sum(axis=1)
        loss: Numbers = (focal + apart) / np.maximum(1, to_find.sum(axis=1))
        return loss

    def _parts(self, outputs: Numbers) -> tuple[Numbers, Numbers]:
        """(n, cells, classes) of logits and (n, cells, 4) of boxes in pixels."""
        each = outputs.reshape(len(outputs), self.classes + 4, -1).transpose(0, 2, 1)
        logits, numbers = each[..., : self.classes], each[..., self.classes :]
        centre = self.centres + CELL * numbers[..., :2]
        half = CELL * np.exp(np.clip(numbers[..., 2:], SMALLEST, LARGEST)) / 2
        return logits, np.concatenate([centre - half, centre + half], axis=-1)

    # --- the figure

    def rows(self, outputs: Numbers, labels: Numbers) -> Numbers:
        found = [self._rows(*one) for one in zip(self.found(outputs), labels, strict=True)]
        return np.concatenate([np.zeros((0, 3)), *found])

    def _rows(self, found: Numbers, label: Numbers) -> Numbers:
        known = label[label[:, 0] >= 0]
        return precision.rows(found, np.column_stack([known[:, 0], known[:, 1:] * self.size]))

    def figure(self, rows: Numbers) -> float:
        return precision.mean_average(rows)

    def found(self, outputs: Numbers) -> list[Numbers]:
        """What is found in each sample: rows of (class, confidence, left, top, right, bottom), pixels, surest first."""
        logits, boxes = self._parts(outputs)
        return [self._found(*one) for one in zip(sigmoid(logits), boxes, strict=True)]

    def _found(self, shares: Numbers, boxes: Numbers) -> Numbers:
        cell, index = np.nonzero(shares >= SEEN)
        sure = shares[cell, index]
        first = np.argsort(-sure, kind="stable")[:CANDIDATES]
        sides = np.clip(boxes[cell[first]], 0, self.size)
        rows = np.column_stack([index[first], sure[first], sides])
        return precision.apart(rows, SAME)[:FOUND]

    # --- a teacher

    def sure(self, outputs: Numbers, confidence: float, crop_top: float) -> Sequence[Label | None]:
        """The boxes it is sure of, perhaps none; nothing at all where it half believes in another one: that would be
        learnt as background."""
        return [self._sure(one, confidence, crop_top) for one in self.found(outputs)]

    def _sure(self, found: Numbers, confidence: float, crop_top: float) -> Label | None:
        if ((found[:, 1] >= confidence / 2) & (found[:, 1] < confidence)).any():
            return None
        kept = found[found[:, 1] >= confidence]
        sides = kept[:, 2:] / self.size
        boxes = [Box(int(index), *map(float, box)) for index, box in zip(kept[:, 0], sides, strict=True)]
        return tuple(box.above(crop_top) for box in boxes if box.area > 0)


def cells(sample: tuple[int, int, int]) -> tuple[int, int]:
    """Rows and columns of the grid on a sample."""
    _, height, width = sample
    return -(-height // CELL), -(-width // CELL)
