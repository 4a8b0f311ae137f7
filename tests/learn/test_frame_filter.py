"""Bad input: what is not worth learning from is skipped, counted and said."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pytest

from agent.core.round import Input, Task
from agent.learn.frame_filter import FROZEN, FrameFilter, one_colour
from agent.ports import Box, LabelledFrame
from tests.learn.trips import DIGITS, SMALL, road
from tools.bench.plain_round import plain_round

STEERING = plain_round(network="deepchain", sample=SMALL)
CLASSES = plain_round(network="deepchain", sample=SMALL, task=DIGITS)


def test_frames_without_a_label_are_skipped_and_counted() -> None:
    frame_filter = FrameFilter(STEERING)
    frames = list(road(4))
    unlabelled = [
        LabelledFrame(f.t, f.image, label) for f, label in zip(frames, [None, 1.0, float("nan"), 2.0], strict=True)
    ]
    assert [frame_filter.sample(frame) is not None for frame in unlabelled] == [False, True, False, True]
    assert frame_filter.unlabelled == 2
    assert frame_filter.trouble is None


def test_a_frozen_camera_teaches_nothing_and_is_said() -> None:
    frame_filter = FrameFilter(STEERING)
    still = np.random.default_rng(0).integers(60, 120, (28, 28, 3), np.uint8)
    taken = [frame_filter.sample(LabelledFrame(n / 20, still, float(n))) for n in range(FROZEN + 1)]
    assert sum(sample is not None for sample in taken) == 1
    assert frame_filter.trouble == "The last 40 frames show the same image: they are skipped. Check the camera."
    assert frame_filter.sample(next(road(1))) is not None
    assert frame_filter.trouble is None


def test_a_teacher_with_other_classes_is_said() -> None:
    frame_filter = FrameFilter(CLASSES)
    frames = list(road(3))
    labels = [3.0, 10.0, 2.5]
    taken = [frame_filter.sample(LabelledFrame(f.t, f.image, label)) for f, label in zip(frames, labels, strict=True)]
    assert [sample is not None for sample in taken] == [True, False, False]
    assert frame_filter.trouble is not None and "2 labels are none of the round's 10 classes" in frame_filter.trouble


def test_boxes_of_other_classes_are_skipped_and_those_of_the_rounds_are_cropped_with_the_picture() -> None:
    task = Task(kind="detection", labels="folder", classes=("sign",))
    sample = Input(height=32, width=32, crop_top=Decimal("0.5"))
    frame_filter = FrameFilter(plain_round(network="smallfcos", task=task, sample=sample))
    image = next(road(1)).image
    frame = LabelledFrame(0.0, image, (Box(0, 0.0, 0.5, 1.0, 0.75),))
    assert frame_filter.sample(frame) is not None
    label = frame_filter.label(frame)
    assert label is not None and label[0].tolist() == [0.0, 0.0, 0.0, 1.0, 0.5] and (label[1:] == -1).all()
    assert frame_filter.sample(LabelledFrame(0.1, image, (Box(1, 0.0, 0.5, 1.0, 0.75),))) is None
    assert frame_filter.trouble is not None and "1 labels are none of the round's 1 classes" in frame_filter.trouble


def _road(height: int = 120, width: int = 160) -> np.ndarray:
    """Something like a road: noise, darker below."""
    shades = np.linspace(160, 70, height)[:, None, None]
    return np.clip(np.random.default_rng(1).normal(shades, 6, (height, width, 3)), 0, 255).astype(np.uint8)


def _half_a_jpeg() -> np.ndarray:
    """As FFmpeg shows one that was cut off."""
    picture = _road()
    picture[56:] = 128
    return picture


def _two_thirds_flat() -> np.ndarray:
    picture = _road()
    picture[40:] = (200, 30, 30)
    return picture


def _bars() -> np.ndarray:
    """What a camera without a sensor shows, and many network cameras before the first picture."""
    colours = np.array(list(itertools.product((0, 191), repeat=3)), np.uint8)
    return np.repeat(np.repeat(colours[None], 20, axis=1), 120, axis=0)


@pytest.mark.parametrize(
    "picture",
    [
        *(
            np.full((120, 160, 3), colour, np.uint8)
            for colour in ((128, 128, 128), (0, 135, 0), (255, 255, 255), (2, 2, 2))
        ),
        _two_thirds_flat(),
        _half_a_jpeg(),
        _bars(),
    ],
    ids=["grey", "green", "white", "black", "two thirds of one colour", "half a JPEG", "bars"],
)
def test_a_picture_of_little_but_one_colour_teaches_nothing_and_is_said(picture: np.ndarray) -> None:
    frame_filter = FrameFilter(STEERING)
    assert not any(frame_filter.sample(LabelledFrame(n / 20, picture, 1.0)) is not None for n in range(40))
    assert "mostly of one colour" in (frame_filter.trouble or "")
    assert frame_filter.sample(LabelledFrame(9.0, _road(), 1.0)) is not None
    assert frame_filter.trouble is None


def test_a_road_at_night_is_learnt() -> None:
    night = np.random.default_rng(2).normal(6, 1.5, (120, 160, 3))
    night[:80] = 3
    night[80:, 50:110] += 70
    assert FrameFilter(STEERING).sample(LabelledFrame(0.0, night.clip(0, 255).astype(np.uint8), 1.0)) is not None


@pytest.mark.slow
@pytest.mark.parametrize("pack", ["drive_a", "drive_sim"])
def test_no_frame_of_a_recorded_drive_is_taken_for_a_covered_lens(shared, pack: str) -> None:
    import cv2

    film, seen = cv2.VideoCapture(str(shared / "data" / pack / "video.mp4")), 0
    while film.grab():
        if seen % 25 == 0:
            assert not one_colour(film.retrieve()[1])
        seen += 1
    assert seen > 1000
