"""How well boxes fit, and mean average precision, by examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.learn.kinds.precision import THERE, apart, giou, iou, mean_average, rows


def box(*sides: float) -> np.ndarray:
    return np.array(sides, np.float64)


@pytest.mark.parametrize(
    ("one", "other", "overlap", "general"),
    [
        (box(0, 0, 2, 2), box(0, 0, 2, 2), 1.0, 1.0),
        (box(0, 0, 2, 2), box(1, 0, 3, 2), 1 / 3, 1 / 3),
        (box(0, 0, 2, 2), box(1, 1, 3, 3), 1 / 7, 1 / 7 - 2 / 9),
        (box(0, 0, 1, 1), box(2, 0, 3, 1), 0.0, -1 / 3),
        (box(0, 0, 4, 4), box(1, 1, 3, 3), 1 / 4, 1 / 4),
    ],
    ids=["the same", "half beside", "a corner", "apart", "one inside the other"],
)
def test_how_boxes_overlap(one: np.ndarray, other: np.ndarray, overlap: float, general: float) -> None:
    assert iou(one, other) == pytest.approx(overlap)
    assert giou(one, other) == pytest.approx(general, abs=1e-8)


def said(*right: bool, there: int, index: int = 0) -> np.ndarray:
    """Rows of one class, surest first: what was found right or wrong, and how many true boxes there are."""
    found = [(index, 0.9 - 0.1 * number, float(hit)) for number, hit in enumerate(right)]
    return np.array(found + [(index, THERE, 0.0)] * there, np.float64).reshape(-1, 3)


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        (said(True, False, True, False, True, there=3), (1 + 2 / 3 + 3 / 5) / 3),
        (said(True, False, True, False, True, there=4), (1 + 2 / 3 + 3 / 5) / 4),
        (said(False, True, True, there=2), (2 / 3 + 2 / 3) / 2),
        (said(True, True, there=2), 1.0),
        (said(False, there=1), 0.0),
        (said(there=2), 0.0),
        (said(True, there=0), 0.0),
    ],
    ids=["in turns", "one never found", "a dent is filled", "all right", "wrong", "nothing found", "nothing there"],
)
def test_average_precision_is_the_area_under_the_filled_curve(found: np.ndarray, precision: float) -> None:
    assert mean_average(found) == pytest.approx(precision)


def test_the_mean_is_over_classes_that_are_there() -> None:
    both = np.concatenate([said(True, there=1), said(False, there=1, index=1), said(True, there=0, index=2)])
    assert mean_average(both) == pytest.approx(0.5)


def test_a_true_box_is_found_once() -> None:
    there = np.array([[0, 0, 0, 10, 10]], np.float64)
    found = np.array([[0, 0.9, 0, 0, 10, 9], [0, 0.8, 0, 0, 10, 10]], np.float64)
    assert rows(found, there)[:, 2].tolist() == [1.0, 0.0, 0.0]


def test_half_of_an_overlap_is_enough_and_another_class_is_none() -> None:
    there = np.array([[0, 0, 0, 10, 10], [1, 20, 0, 30, 10]], np.float64)
    found = np.array(
        [[0, 0.9, 0, 0, 10, 5], [0, 0.8, 0, 0, 10, 4.9], [0, 0.7, 20, 0, 30, 10], [1, 0.6, 20, 0, 30, 10]], np.float64
    )
    assert rows(found, there)[:4, 2].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_of_two_that_are_one_the_surer_stays() -> None:
    found = np.array(
        [[0, 0.9, 0, 0, 10, 10], [0, 0.8, 1, 0, 11, 10], [1, 0.7, 0, 0, 10, 10], [0, 0.6, 8, 0, 18, 10]], np.float64
    )
    assert apart(found, 0.5)[:, 1].tolist() == [0.9, 0.7, 0.6]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 5))
def test_a_figure_is_a_share(found: list[tuple[int, float, bool]], there: int) -> None:
    """However many are right: no more than there are."""
    each = [(index, sure, float(right)) for index, sure, right in found]
    kept, seen = [], dict.fromkeys(range(3), 0)
    for index, sure, right in each:
        seen[index] += int(right)
        kept.append((index, sure, right if seen[index] <= there else 0.0))
    truth = [(index, THERE, 0.0) for index in range(3) for _ in range(there)]
    assert 0 <= mean_average(np.array(kept + truth, np.float64)) <= 1
