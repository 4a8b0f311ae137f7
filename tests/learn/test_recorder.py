"""Counting: each frame once, whatever crashed in between."""

from __future__ import annotations

import numpy as np

from agent.learn.checkpoint import TrainingState
from agent.learn.recorder import SampleRecorder
from agent.learn.ring import Record
from agent.learn.samples import Samples
from tests.learn.trips import SMALL


def _record(number: int, content: int | None = None) -> Record:
    image = np.random.default_rng(number if content is None else content).integers(0, 256, (28, 28, 1), np.uint8)
    return Record(number, number / 1000, 1.0, image)


def _samples() -> Samples:
    return Samples(SMALL, 16.0, seed=1)


def test_frames_taken_again_after_a_crash_are_trained_on_but_not_counted_again() -> None:
    state = TrainingState()
    first = SampleRecorder(_samples(), state, "ring")
    for number in range(1, 31):
        first.take(_record(number))
    after = SampleRecorder(_samples(), state, "ring")
    for number in range(20, 41):
        after.take(_record(number))
    assert state.samples == 40
    assert len(after.samples.trip) == 21


def test_a_new_ring_counts_from_its_start() -> None:
    state = TrainingState()
    for name in ("before the daemon died", "after"):
        recorder = SampleRecorder(_samples(), state, name)
        for number in range(1, 11):
            recorder.take(_record(number))
    assert state.samples == 20
