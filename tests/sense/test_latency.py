"""How late a camera is, measured on a drive: the picture's sideways movement against the steering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.ports import Frame, Reading
from agent.sense.alignment import Aligner
from agent.sense.drive import Drive, load_drive
from agent.sense.latency import AT_ODDS, NO_TURNS, Latency, LatencyMeter
from agent.sense.road import synthetic_drive
from tests.sense.panorama import SCENE, panorama, wandering

SHARED = Path(__file__).parents[3] / "shared" / "data"
NATIVE_S = {"drive_a": 0.21, "drive_sim": 0.08, "road": 0.02}
"""What the recordings show as they are: the small car's servo and camera, the simulator's steering."""


def metered(drive: Drive, late_s: float = 0.0, sign: int = 1, seconds: float = 120.0) -> LatencyMeter:
    """As on a drive: each picture comes `late_s` after the moment it shows."""
    meter = LatencyMeter()
    assert drive.images is not None
    film = drive.images.film(0)
    for row in range(int(np.searchsorted(drive.t, drive.t[0] + seconds))):
        t = float(drive.t[row])
        speed = float(drive.speed_mps[row]) * 3.6
        meter.reading(
            Reading(t, speed if np.isfinite(speed) else None, steering_deg=sign * float(drive.steering_deg[row]))
        )
        if (image := film.read()) is not None:
            meter.frame(Frame(t + late_s, image))
    film.close()
    return meter


def drive(name: str) -> Drive:
    if name == "road":
        return synthetic_drive(120, 10, seed=7)
    if not (SHARED / name).exists():
        pytest.skip("the shared recordings are not here")
    return load_drive(SHARED / name)


@pytest.mark.slow
@pytest.mark.parametrize("late_s", [0.0, 0.35, 0.8])
@pytest.mark.parametrize("name", NATIVE_S)
def test_a_camera_that_is_late_is_found_out_on_a_drive(name: str, late_s: float) -> None:
    found = metered(drive(name), late_s).measure()
    assert isinstance(found, Latency)
    assert found.seconds == pytest.approx(NATIVE_S[name] + late_s, abs=0.03)
    assert abs(found.seconds - NATIVE_S[name] - late_s) < 3 * found.uncertainty_s
    assert found.uncertainty_s < 0.05


@pytest.mark.slow
def test_steering_of_the_wrong_sign_is_told() -> None:
    assert metered(drive("road"), sign=-1).measure() == AT_ODDS


@pytest.mark.slow
def test_a_drive_that_is_too_short_says_how_long_it_has_to_be() -> None:
    assert (
        metered(drive("road"), seconds=30).measure()
        == "The drive has shown 29 s of picture and steering; 60 s are needed."
    )


def test_nothing_seen_and_nothing_heard_is_too_short() -> None:
    assert LatencyMeter().measure() == "The drive has shown 0 s of picture and steering; 60 s are needed."


def test_labels_follow_what_was_measured() -> None:
    aligner = Aligner()
    panorama(aligner, wandering, late_s=0.4)
    found = aligner.meter.measure()
    assert isinstance(found, Latency)
    assert found.seconds == pytest.approx(0.4, abs=0.06)  # the middle between two pictures is half a step off
    aligner.latency_s = 0.4
    labels = [(frame.t, frame.label) for frame in aligner.ready() if frame.label is not None]
    assert len(labels) > 900  # of the last half minute before the first was asked for
    assert all(label == pytest.approx(wandering(t - 0.4), abs=0.05) for t, label in labels)


def test_a_straight_road_shows_no_latency() -> None:
    aligner = Aligner()
    panorama(aligner, lambda t: 0.0, late_s=0.4, noise=0.5)
    assert aligner.meter.measure() == NO_TURNS


def test_steering_that_never_changes_shows_no_latency() -> None:
    aligner = Aligner()
    panorama(aligner, lambda t: 0.0, late_s=0.4)
    assert aligner.meter.measure() == NO_TURNS


def test_a_clock_that_goes_back_begins_anew() -> None:
    meter = LatencyMeter()
    for t in (10.0, 10.05, 10.1, 3.0, 3.05, 3.1):
        meter.reading(Reading(t, steering_deg=1.0))
        meter.frame(Frame(t, SCENE[:, :128]))
    assert len(meter._moves) == 2
    assert len(meter._turns) == 3
