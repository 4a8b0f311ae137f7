"""The capture thread: nothing is lost on its way, and it never dies in silence."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from agent.ports import Frame, LabelledFrame, Reading
from agent.sense.alignment import Aligner
from agent.sense.capture import Capture, Counts


class Slides:
    """A camera that shows the frames it was given, then nothing."""

    trouble: str | None = None

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = iter(frames)
        self.over = threading.Event()

    def read(self, timeout: float) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None:
            self.over.set()
        return frame

    def close(self) -> None:
        pass


@pytest.fixture
def frames() -> list[Frame]:
    return [Frame(t / 10, np.zeros((2, 2, 3), np.uint8)) for t in range(10)]


def test_every_frame_reaches_the_learner_with_its_steering(frames):
    aligner, seen, slides = Aligner(), [], Slides(frames)
    for t in range(5):
        aligner.reading(Reading(t / 10, steering_deg=float(t)))
    capture = Capture(slides, aligner, seen.append)
    capture.start()
    slides.over.wait(60)
    capture.stop()
    assert [frame.label for frame in seen] == [0.0, 1.0, 2.0, 3.0, 4.0, None, None, None, None, None]
    assert capture.counts == Counts(frames=10, labelled=5, unlabelled=5)
    assert capture.trouble is None


def test_a_learner_that_fails_is_told_and_the_next_frame_is_tried(frames):
    told, seen, slides = [], [], Slides(frames)

    def sink(frame: LabelledFrame) -> None:
        seen.append(frame)
        if len(seen) == 1:
            raise RuntimeError("the ring is gone")
        told.append(capture.trouble)

    aligner = Aligner()
    for t in range(11):
        aligner.reading(Reading(t / 10, steering_deg=0.0))
    capture = Capture(slides, aligner, sink)
    capture.start()
    slides.over.wait(60)
    capture.stop()
    assert told[0] == "A frame could not be taken in (the ring is gone). Capture goes on with the next one."
    assert capture.counts.failures == 1
    assert len(seen) == 10


def test_the_trouble_of_the_camera_is_the_trouble_of_the_capture():
    slides = Slides([])
    slides.trouble = "The camera is not there."
    capture = Capture(slides, Aligner(), lambda frame: None)
    assert capture.trouble == "The camera is not there."


def test_stopping_twice_or_before_the_start_is_harmless():
    capture = Capture(Slides([]), Aligner(), lambda frame: None)
    capture.stop()
    capture.stop()
