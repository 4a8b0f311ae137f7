"""How well boxes fit, and mean average precision.

A box is (left, top, right, bottom). What is found counts as right where it overlaps a box of its class that nothing
surer has taken, by an IoU of at least 0.5. Average precision is the area under the precision-recall curve with its
dents filled (Pascal VOC 2010 and later); the mean is over the classes that are there.
"""

from __future__ import annotations

import numpy as np

from agent.learn.kinds.kind import Numbers

ENOUGH = 0.5
"""IoU."""
THERE = -1.0
"""Stands for the confidence of a row that is a true box."""


def iou(one: Numbers, other: Numbers) -> Numbers:
    """Intersection over union, element by element after broadcasting (…, 4); 0 for two empty boxes."""
    overlap, union = _overlap_and_union(one, other)
    return np.divide(overlap, union, out=np.zeros(np.shape(union)), where=union > 0)


def giou(one: Numbers, other: Numbers) -> Numbers:
    """IoU less the share of the smallest box around both that neither takes: -1 to 1."""
    overlap, union = _overlap_and_union(one, other)
    around = _area(np.minimum(one[..., :2], other[..., :2]), np.maximum(one[..., 2:], other[..., 2:]))
    tiny = 1e-9
    return (overlap + tiny) / (union + tiny) - (around - union) / (around + tiny)


def apart(found: Numbers, same: float) -> Numbers:
    """Rows of (class, confidence, box), surest first, without those that overlap a surer one of their class by more
    than `same`."""
    kept: list[int] = []
    for row in range(len(found)):
        rivals = [other for other in kept if found[other, 0] == found[row, 0]]
        if not rivals or iou(found[rivals, 2:], found[row, 2:]).max() <= same:
            kept.append(row)
    return found[kept]


def rows(found: Numbers, there: Numbers) -> Numbers:
    """What one picture adds: (class, confidence, 1.0 where right) for each row of `found` (class, confidence, box,
    surest first), and (class, THERE, 0) for each of `there` (class, box)."""
    right, taken = np.zeros(len(found)), np.zeros(len(there), bool)
    for row, one in enumerate(found):
        fits = np.where(~taken & (there[:, 0] == one[0]), iou(there[:, 1:], one[2:]), 0.0)
        if len(fits) and fits.max() >= ENOUGH:
            taken[fits.argmax()], right[row] = True, 1.0
    truth = np.column_stack([there[:, 0], np.full(len(there), THERE), np.zeros(len(there))])
    return np.concatenate([np.column_stack([found[:, :2], right]), truth])


def mean_average(all_rows: Numbers) -> float:
    """Over the classes of which there is a box; 0 where there is none."""
    is_truth = all_rows[:, 1] == THERE
    classes, counts = np.unique(all_rows[is_truth, 0], return_counts=True)
    found = all_rows[~is_truth]
    each = [_average(found[found[:, 0] == index], int(count)) for index, count in zip(classes, counts, strict=True)]
    return float(np.mean(each)) if each else 0.0


def _average(found: Numbers, there: int) -> float:
    """One class's average precision: the mean over true boxes of the best precision at which each is still found."""
    right = found[np.argsort(-found[:, 1], kind="stable"), 2]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right == 1].sum() / there)


def _overlap_and_union(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    overlap = _area(np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:]))
    return overlap, _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - overlap


def _area(low: Numbers, high: Numbers) -> Numbers:
    sides = np.maximum(high - low, 0)
    area: Numbers = sides[..., 0] * sides[..., 1]
    return area
