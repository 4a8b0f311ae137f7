"""From frames to batches."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.core.round import Input, Task
from agent.learn import kinds
from agent.learn.kinds.kind import Sort
from agent.learn.kinds.steering import bend
from agent.learn.loop import batch
from agent.learn.samples import Reservoir, Samples, planes, prepare, use
from agent.learn.settings import Keep
from tests.learn.trips import SMALL

TINY = Input(height=8, width=8, colour="grey")


def _image(value: int) -> np.ndarray:
    return np.full((8, 8, 1), value % 256, np.uint8)


def test_a_frame_becomes_a_small_picture_in_the_rounds_colours() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[:60, :, 2] = 255  # the upper half is red, in BGR
    rgb = prepare(frame, Input(height=10, width=20, colour="rgb"))
    assert rgb.shape == (10, 20, 3)
    assert rgb[0, 0].tolist() == [255, 0, 0]
    cropped = prepare(frame, Input(height=10, width=20, colour="rgb", crop_top=Decimal("0.5")))
    assert not cropped.any()
    assert prepare(frame, SMALL).shape == (28, 28, 1)


def test_a_batch_is_handed_to_the_network_without_a_copy() -> None:
    images = np.zeros((2, 5, 6, 3), np.uint8)
    assert planes(images).shape == (2, 3, 5, 6)
    assert np.shares_memory(planes(images), images)


@given(st.floats(0, 1e6))
def test_every_moment_has_one_use_and_a_tenth_is_held_back(seconds: float) -> None:
    assert use(seconds) in ("train", "held", "skip")
    assert (use(seconds) == "train") == (int(seconds // 2) % 10 != 3)


def test_training_and_held_back_frames_are_never_neighbours() -> None:
    uses = [use(number / 20) for number in range(2000)]
    assert not any({a, b} == {"train", "held"} for a, b in itertools.pairwise(uses))
    assert 0.06 < uses.count("held") / len(uses) < 0.1


@given(st.integers(0, 400), st.integers(0, 2**31))
def test_a_reservoir_never_holds_more_than_its_slots(count: int, seed: int) -> None:
    reservoir = Reservoir.sized(TINY, 0.0001, seed)
    for number in range(count):
        reservoir.add(_image(number), number)
    assert len(reservoir) == min(count, 64)
    assert reservoir.added == count
    kept = reservoir.labels[: len(reservoir)].tolist()
    assert len(set(kept)) == len(kept)
    assert all(int(image[0, 0, 0]) == int(label) % 256 for image, label in zip(reservoir.images, kept, strict=False))


def test_early_and_late_samples_are_kept_alike() -> None:
    kept = []
    for seed in range(40):
        reservoir = Reservoir.sized(TINY, 0.0001, seed)
        for number in range(640):
            reservoir.add(_image(number), number)
        kept += reservoir.labels.tolist()
    assert abs(np.mean(kept) - 319.5) < 3 * 640 / 12**0.5 / len(kept) ** 0.5


@given(st.integers(0, 400), st.integers(0, 2**31))
def test_a_weighed_reservoir_never_holds_more_than_its_slots_and_nothing_twice(count: int, seed: int) -> None:
    reservoir = Reservoir.sized(TINY, 0.0001, seed, sort=bend)
    for number in range(count):
        reservoir.add(_image(number), number)
    assert len(reservoir) == min(count, 64)
    kept = reservoir.labels[: len(reservoir)].tolist()
    assert len(set(kept)) == len(kept)
    assert all(int(image[0, 0, 0]) == int(label) % 256 for image, label in zip(reservoir.images, kept, strict=False))


def _kept_of_a_motorway(sort: Sort | None) -> float:
    """The share of bends among what is kept of a drive with one bend in fifty frames."""
    kept = []
    for seed in range(10):
        reservoir = Reservoir.sized(TINY, 0.0001, seed, sort=sort)
        for number in range(6400):
            reservoir.add(_image(number), 20.0 if number % 50 == 0 else 0.1)
        kept += reservoir.labels.tolist()
    return float(np.mean(np.array(kept) == 20))


def test_bends_are_left_of_a_motorways_hour() -> None:
    assert _kept_of_a_motorway(None) < 0.04
    assert 0.4 < _kept_of_a_motorway(bend) < 0.6


def test_of_one_sort_early_and_late_samples_are_kept_alike() -> None:
    kept = []
    for seed in range(40):
        reservoir = Reservoir.sized(TINY, 0.0001, seed, sort=lambda label: 0)
        for number in range(640):
            reservoir.add(_image(number), number)
        kept += reservoir.labels.tolist()
    assert abs(np.mean(kept) - 319.5) < 3 * 640 / 12**0.5 / len(kept) ** 0.5


def test_classes_are_sorts_and_left_and_right_are_one() -> None:
    def sort_of(task: Task, keep: Keep) -> Sort | None:
        return kinds.of(task, (3, 8, 8)).sort(keep)

    signs = sort_of(Task(kind="classification", classes=("a", "b")), "auto")
    assert signs is not None
    assert [signs(label) for label in (0.0, 1.0)] == [0, 1]
    assert sort_of(Task(kind="classification", classes=("a", "b")), "uniform") is None
    assert sort_of(Task(kind="steering"), "auto") is None
    assert sort_of(Task(kind="steering"), "rare") is bend
    assert [bend(label) for label in (0.0, -0.9, 1.0, -3.0, 25.0, -540.0)] == [0, 0, 1, 2, 4, 9]


def _samples(replay: Reservoir | None = None) -> Samples:
    samples = Samples(TINY, 1.0, seed=3, replay=replay)
    for number in range(100):
        samples.add(_image(number), number, number / 20)
    return samples


def _labels(samples: Samples, step: int, count: int = 64) -> list[float]:
    return np.concatenate([source.labels[places] for source, places in samples.choose(step, count)]).tolist()


def test_the_same_seed_and_step_choose_the_same_batch() -> None:
    assert _labels(_samples(), 5) == _labels(_samples(), 5) != _labels(_samples(), 6)


def test_every_other_image_is_mirrored_and_has_the_opposite_angle() -> None:
    samples = Samples(TINY, 1.0, seed=3)
    left = np.zeros((8, 8, 1), np.uint8)
    left[:, :4] = 255
    for number in range(32):
        samples.add(left, 10.0, number / 20)
    kind, drawn = kinds.of(Task(kind="steering"), (1, 8, 8)), torch.empty((64, 8, 8, 1), dtype=torch.uint8)
    images, labels = batch(samples, 0, drawn, kind, torch.device("cpu"))
    assert (labels == 10.0).sum() == (labels == -10.0).sum() == 32
    for image, label in zip(images, labels, strict=True):
        assert (image[0, 0, 0] == 255) == (label == 10.0)


def test_half_of_a_batch_is_from_the_past() -> None:
    replay = Reservoir.sized(TINY, 0.1, 0)
    for _ in range(10):
        replay.add(_image(0), -1.0)
    assert _labels(_samples(replay), 0).count(-1.0) == 32


def test_held_back_frames_are_never_drawn() -> None:
    samples = _samples()
    for number in range(100, 400):
        samples.add(_image(number), number, number / 20)
    held = set(samples.held.labels[: len(samples.held)].tolist())
    drawn = {label for step in range(50) for label in _labels(samples, step)}
    assert held
    assert not held & drawn
