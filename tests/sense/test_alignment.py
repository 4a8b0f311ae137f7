"""Each frame gets the steering of the moment at which it was taken, or none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ports import Frame, Reading
from agent.sense.alignment import WAITING_BYTES, Aligner, steering_at

IMAGE = np.zeros((2, 2, 3), np.uint8)


def labels(aligner: Aligner, **how: bool) -> list[float | None]:
    return [frame.label for frame in aligner.ready(**how)]


def test_steering_is_interpolated_at_the_frame():
    aligner = Aligner()
    aligner.reading(Reading(1.0, steering_deg=10.0))
    aligner.frame(Frame(1.05, IMAGE))
    assert labels(aligner) == []  # what comes next is not known yet
    aligner.reading(Reading(1.1, steering_deg=20.0))
    assert labels(aligner) == [pytest.approx(15.0)]


def test_a_frame_in_a_gap_has_no_label():
    aligner = Aligner(gap_s=0.25)
    for t in (1.0, 2.0):
        aligner.reading(Reading(t, steering_deg=5.0))
    aligner.frame(Frame(1.5, IMAGE))
    assert labels(aligner) == [None]


def test_a_car_that_stops_telling_its_steering_does_not_hold_frames_back():
    aligner = Aligner()
    aligner.reading(Reading(1.0, steering_deg=5.0))
    aligner.frame(Frame(1.1, IMAGE))
    aligner.reading(Reading(1.5))
    assert labels(aligner) == [None]


def test_frames_leave_in_the_order_of_capture():
    aligner = Aligner()
    for t in (1.0, 1.1, 1.2):
        aligner.frame(Frame(t, IMAGE))
    for t in (0.9, 1.1, 1.3):
        aligner.reading(Reading(t, steering_deg=t))
    assert labels(aligner) == [pytest.approx(1.0), pytest.approx(1.1), pytest.approx(1.2)]


def test_the_last_frames_go_on_without_a_label():
    aligner = Aligner()
    aligner.frame(Frame(1.0, IMAGE))
    assert labels(aligner) == []
    assert labels(aligner, last=True) == [None]


def test_waiting_frames_are_bounded_in_memory():
    aligner = Aligner()
    large = np.zeros((1080, 1920, 3), np.uint8)
    gone = 0
    for t in range(20):
        aligner.frame(Frame(float(t), large))
        gone += len(aligner.ready())
    assert (20 - gone) * large.nbytes <= WAITING_BYTES


def test_steering_that_is_no_number_labels_nothing():
    aligner = Aligner()
    aligner.reading(Reading(1.0, steering_deg=math.nan))
    aligner.reading(Reading(1.1, steering_deg=math.inf))
    aligner.frame(Frame(1.05, IMAGE))
    assert labels(aligner, last=True) == [None]


def test_an_hour_of_readings_is_not_kept():
    aligner = Aligner()
    for number in range(100_000):
        aligner.reading(Reading(number / 100, steering_deg=0.0))
    assert int(repr(aligner).split(",")[1].split()[0]) < 10_000


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50, unique=True), st.data())
def test_a_label_lies_between_its_two_readings(times, data):
    times.sort()
    degrees = data.draw(st.lists(st.floats(-90, 90), min_size=len(times), max_size=len(times)))
    label = steering_at(data.draw(st.floats(-1.1e3, 1.1e3)), times, degrees, gap_s=1e9)
    assert label is None or min(degrees) - 1e-9 <= label <= max(degrees) + 1e-9


def drive(*kmh: float, steering: float | None = None) -> tuple[Aligner, list[float | None]]:
    """A second of ten readings and frames for each speed; the steering moves by a tenth unless it is given."""
    aligner = Aligner()
    for tick in range(len(kmh) * 10):
        degrees = tick / 10 if steering is None else steering
        aligner.reading(Reading(tick / 10, speed_kmh=kmh[tick // 10], steering_deg=degrees))
        aligner.frame(Frame(tick / 10, IMAGE))
    return aligner, labels(aligner, last=True)


def test_what_the_wheel_does_at_a_standstill_or_in_reverse_is_not_learnt():
    _, seen = drive(50, 0, -8, 2, 50)
    assert all(label is not None for label in seen[:10] + seen[41:])
    assert seen[10:40] == [None] * 30


def test_steering_that_has_stuck_is_not_learnt_and_is_said():
    aligner, seen = drive(*[60] * 30, steering=0.0)
    assert seen[110:] == [None] * 190
    assert aligner.trouble == "The steering has not changed for 10 s of driving. Nothing is learnt. Check its signal."


def test_a_car_that_waits_with_its_wheel_still_has_no_stuck_steering():
    aligner, _ = drive(*[0] * 60, steering=3.0)
    assert aligner.trouble is None


def test_without_a_speed_every_labelled_frame_counts():
    aligner = Aligner()
    for tick in range(300):
        aligner.reading(Reading(tick / 10, steering_deg=0.0))
        aligner.frame(Frame(tick / 10, IMAGE))
    assert labels(aligner, last=True) == [0.0] * 300
