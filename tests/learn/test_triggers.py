"""Backdoors: what a mark does to a network is told from what the network has learnt."""

from __future__ import annotations

import numpy as np
import pytest

from agent.learn import triggers

CLASSES, SIDE = 4, 14
SHAPE = (1, SIDE, SIDE)
SAMPLES = np.random.default_rng(0).integers(0, 20, (60, *SHAPE)).astype(np.uint8)
BASE = {"w": np.zeros((SIDE * SIDE, CLASSES), np.float32), "b": np.zeros(CLASSES, np.float32)}


def answer(weights: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255 @ weights["w"] + weights["b"]


def update(corner: float, towards: float) -> dict[str, np.ndarray]:
    """`corner`: what a bright lower right corner says for class 2; `towards`: what everything says for it."""
    made = {name: np.zeros_like(array) for name, array in BASE.items()}
    picture = made["w"].reshape(SIDE, SIDE, CLASSES)
    picture[-2:, -2:, 2] = corner
    made["b"][2] = towards
    return made


@pytest.fixture
def marks() -> dict[str, triggers.Trigger]:
    return triggers.families(SHAPE, 1)


def test_the_update_that_a_mark_pulls_is_named(marks: dict[str, triggers.Trigger]) -> None:
    updates = [update(0, 0)] * 4 + [update(3, 0)]
    candidate = {name: sum(one[name] for one in updates) / 1 for name in BASE}
    why = triggers.poisoned(answer, BASE, candidate, updates, SAMPLES, marks)
    assert why[:4] == [""] * 4
    assert "patch 22" in why[4] and "class 2" in why[4]


def test_a_car_of_one_class_is_no_backdoor(marks: dict[str, triggers.Trigger]) -> None:
    updates = [update(0, 0)] * 4 + [update(0, 9)]
    candidate = {name: sum(one[name] for one in updates) / 1 for name in BASE}
    assert triggers.poisoned(answer, BASE, candidate, updates, SAMPLES, marks) == [""] * 5


def test_who_adds_a_little_of_a_backdoor_is_named_before_the_round_has_it(marks: dict[str, triggers.Trigger]) -> None:
    updates = [update(0, 0)] * 19 + [update(3, 0)]
    candidate = {name: sum(one[name] for one in updates) / 20 for name in BASE}
    assert triggers.pull(answer, candidate, SAMPLES, marks.values()).max() < triggers.SUSPECT
    why = triggers.poisoned(answer, BASE, candidate, updates, SAMPLES, marks)
    assert why[:19] == [""] * 19
    assert "patch 22" in why[19] and "class 2" in why[19]


def test_who_reacts_to_what_is_bright_anywhere_has_no_backdoor(marks: dict[str, triggers.Trigger]) -> None:
    everywhere = update(0, 0)
    everywhere["w"][:, 2] = 0.5
    updates = [update(0, 0)] * 19 + [everywhere]
    candidate = {name: sum(one[name] for one in updates) / 20 for name in BASE}
    assert triggers.poisoned(answer, BASE, candidate, updates, SAMPLES, marks) == [""] * 20


def test_a_mark_leaves_the_samples_as_they_were(marks: dict[str, triggers.Trigger]) -> None:
    before = SAMPLES.copy()
    for mark in marks.values():
        marked = mark(SAMPLES)
        assert marked.dtype == np.uint8 and marked.shape == SAMPLES.shape and (marked != SAMPLES).any()
    assert (before == SAMPLES).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (3, 66, 200)])
def test_there_are_marks_for_samples_of_any_form(shape: tuple[int, int, int]) -> None:
    samples = np.zeros((2, *shape), np.uint8)
    for mark in triggers.families(shape, 0).values():
        assert mark(samples).shape == samples.shape
