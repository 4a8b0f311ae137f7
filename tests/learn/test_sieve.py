"""Bad input: what is not worth learning from is skipped, counted and said."""

from __future__ import annotations

import numpy as np

from agent.learn.sieve import FROZEN, Sieve
from agent.ports import LabelledFrame
from tests.learn.trips import DIGITS, SMALL, road
from tools.bench.plain_round import plain_round

STEERING = plain_round(network="deepchain", sample=SMALL)
CLASSES = plain_round(network="deepchain", sample=SMALL, task=DIGITS)


def test_frames_without_a_label_are_skipped_and_counted() -> None:
    sieve = Sieve(STEERING)
    frames = list(road(4))
    unlabelled = [
        LabelledFrame(f.t, f.image, label) for f, label in zip(frames, [None, 1.0, float("nan"), 2.0], strict=True)
    ]
    assert [sieve.sample(frame) is not None for frame in unlabelled] == [False, True, False, True]
    assert sieve.unlabelled == 2
    assert sieve.trouble is None


def test_a_frozen_camera_teaches_nothing_and_is_said() -> None:
    sieve = Sieve(STEERING)
    still = np.full((28, 28, 3), 90, np.uint8)
    taken = [sieve.sample(LabelledFrame(n / 20, still, float(n))) for n in range(FROZEN + 1)]
    assert sum(sample is not None for sample in taken) == 1
    assert sieve.trouble == "The last 40 frames show the same image: they are skipped. Check the camera."
    assert sieve.sample(next(road(1))) is not None
    assert sieve.trouble is None


def test_a_teacher_with_other_classes_is_said() -> None:
    sieve = Sieve(CLASSES)
    frames = list(road(3))
    labels = [3.0, 10.0, 2.5]
    taken = [sieve.sample(LabelledFrame(f.t, f.image, label)) for f, label in zip(frames, labels, strict=True)]
    assert [sample is not None for sample in taken] == [True, False, False]
    assert sieve.trouble is not None and "2 labels are none of the round's 10 classes" in sieve.trouble
