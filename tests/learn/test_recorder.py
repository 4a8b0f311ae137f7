"""Counting: each frame once, whatever crashed in between; and the fingerprint that shows the same frames."""

from __future__ import annotations

import numpy as np

from agent.learn.checkpoint import TrainingState
from agent.learn.recorder import FINGERPRINTS, SampleRecorder
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


def _fingerprint(frames: range, key: bytes) -> set[str]:
    recorder = SampleRecorder(_samples(), TrainingState(), "ring", key)
    for number, content in enumerate(frames, 1):
        recorder.take(_record(number, content))
    return set(recorder.state.fingerprint)


def test_two_trips_over_the_same_frames_share_their_fingerprint() -> None:
    one, same, half, other = (
        _fingerprint(frames, b"key") for frames in (range(600), range(600), range(300, 900), range(1000, 1600))
    )
    assert len(one) == FINGERPRINTS
    assert one == same
    assert not one & other
    assert 0.3 < len(one & half) / FINGERPRINTS < 0.7


def test_nobody_without_the_key_can_test_for_a_picture() -> None:
    assert not _fingerprint(range(100), b"key") & _fingerprint(range(100), b"another")
