"""A recorded drive plays again as if it happened now."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from agent.compose.vehicle import rules
from agent.core.trip import Evidence, TripClosed, TripOpened, TripRules, TripState, advance
from agent.host.sections import Trip
from agent.sense.drive import Drive, DriveUnusable, load_drive, load_film
from agent.sense.playback import Playback, ReplayCamera, ReplayOdometer
from agent.sense.road import synthetic_drive


class Hands:
    """A clock turned by hand; waiting turns it too."""

    def __init__(self) -> None:
        self.t = 1000.0

    def now(self) -> float:
        return self.t

    def wait(self, seconds: float) -> None:
        self.t += seconds

    def play(self, drive: Drive, **stretch: float) -> Playback:
        return Playback(drive, now=self.now, wait=self.wait, **stretch)


@pytest.fixture
def hands() -> Hands:
    return Hands()


def silent(drive: Drive) -> Drive:
    """The same drive without speed and distance, as packs with a camera alone are."""
    unknown = np.full(len(drive.t), math.nan)
    return Drive(drive.name, drive.t, drive.steering_deg, unknown, unknown, unknown, unknown, drive.images)


def play_out(odometer: ReplayOdometer, hands: Hands, wall_seconds: float, law: TripRules) -> list:
    state, happened = TripState(), []
    for _ in range(round(wall_seconds * 5)):
        hands.wait(0.2)
        for reading in odometer.poll():
            state, events = advance(law, state, reading)
            happened += events
    return [*happened, state.mileage.total_m]


@pytest.mark.parametrize("speed", [1, 4, 20])
def test_a_trip_is_the_same_trip_however_fast_it_is_played(hands, speed):
    drive = synthetic_drive(60, seed=2)
    odometer = ReplayOdometer(hands.play(drive, speed=speed))
    opened, closed, total = play_out(odometer, hands, 75 / speed + 2, rules(Trip(trigger_m=100)))
    assert isinstance(opened, TripOpened)
    assert isinstance(closed, TripClosed)
    assert closed.reason is Evidence.IGNITION_OFF
    assert total == pytest.approx(drive.distance_m[-1], rel=0.01)


def test_frame_and_steering_of_one_moment_carry_one_stamp(hands):
    drive = synthetic_drive(20, seed=2)
    playback = hands.play(drive, start_s=5, end_s=10, speed=3)
    odometer, camera = ReplayOdometer(playback), ReplayCamera(playback)
    frames = [camera.read(1.0) for _ in range(101)]
    hands.wait(0.01)
    readings = {reading.t: reading for reading in odometer.poll()}
    for row, frame in enumerate(frames):
        assert frame is not None
        assert readings[frame.t].steering_deg == pytest.approx(drive.steering_deg[100 + row])
        assert np.array_equal(frame.image, drive.images.draw(100 + row))


def test_after_the_end_there_are_no_frames_and_the_car_is_parked(hands):
    playback = hands.play(synthetic_drive(5, seed=2))
    odometer, camera = ReplayOdometer(playback), ReplayCamera(playback)
    hands.wait(6)
    *_, parked = odometer.poll()
    assert (parked.speed_kmh, parked.ignition, parked.steering_deg) == (0.0, False, None)
    assert camera.read(0.5) is None
    assert hands.t == pytest.approx(1006.5)


def test_a_camera_opened_in_the_middle_of_the_drive_shows_the_middle(hands):
    drive = synthetic_drive(20, seed=2)
    playback = hands.play(drive)
    hands.wait(10.0)
    frame = ReplayCamera(playback).read(1.0)
    assert frame.t - 1000 == pytest.approx(10.0, abs=0.6)
    assert np.array_equal(frame.image, drive.images.draw(round((frame.t - 1000) * 20)))


def test_a_camera_that_is_not_read_leaves_frames_out_and_counts_them(hands):
    camera = ReplayCamera(hands.play(synthetic_drive(20, seed=2)))
    first = camera.read(1.0)
    hands.wait(10.0)
    second = camera.read(1.0)
    assert second.t - first.t == pytest.approx(9.5, abs=0.1)
    assert camera.left_out == pytest.approx(190, abs=2)


def test_a_camera_waits_no_longer_than_asked(hands):
    camera = ReplayCamera(hands.play(synthetic_drive(5, fps=2, seed=2)))
    camera.read(1.0)
    before = hands.t
    assert camera.read(0.1) is None
    assert hands.t == pytest.approx(before + 0.1)


def test_a_drive_without_speed_takes_its_odometry_from_a_route_round_and_round(hands, shared):
    drive, route = silent(synthetic_drive(150, seed=2)), load_drive(shared / "data/route_real")
    odometer = ReplayOdometer(hands.play(drive, speed=10), route)
    *_, total = play_out(odometer, hands, 17, rules(Trip()))
    lap = route.distance_m[-1]
    expected = 2 * lap + np.interp(drive.seconds - 2 * route.seconds, route.t, route.distance_m)
    assert total == pytest.approx(expected, rel=0.01)


def test_a_drive_without_speed_or_route_needs_a_stated_speed(hands):
    drive = silent(synthetic_drive(20, seed=2))
    with pytest.raises(DriveUnusable, match="name a route or a nominal speed"):
        ReplayOdometer(hands.play(drive))
    *_, total = play_out(ReplayOdometer(hands.play(drive), nominal_mps=10), hands, 25, rules(Trip()))
    assert total == pytest.approx(10 * drive.seconds, rel=0.01)


def test_a_route_with_holes_is_refused(hands):
    drive = silent(synthetic_drive(20, seed=2))
    with pytest.raises(DriveUnusable, match="does not know speed and distance in every row"):
        ReplayOdometer(hands.play(drive), route=drive)


@pytest.mark.parametrize("stretch", [{"start_s": 30.0}, {"start_s": 5.0, "end_s": 4.0}, {"speed": 0.0}])
def test_a_stretch_that_is_not_in_the_drive_is_refused(hands, stretch):
    with pytest.raises(DriveUnusable, match="hold no"):
        hands.play(synthetic_drive(20, seed=2), **stretch)


def test_a_video_shorter_than_its_table_is_told(hands):
    drive = synthetic_drive(5, seed=2)
    short = Drive(drive.name, drive.t, *(drive.steering_deg,) * 5, images=synthetic_drive(1, seed=2).images)
    camera = ReplayCamera(hands.play(short))
    assert len([1 for _ in range(30) if camera.read(1.0)]) == 20
    assert "ends before its table" in camera.trouble


def test_a_torn_picture_among_many_is_left_out_and_said(hands, tmp_path):
    import cv2

    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((4, 4, 3), number, np.uint8))
    (tmp_path / "10.png").write_bytes(b"")
    camera = ReplayCamera(hands.play(load_film(tmp_path, fps=20)))
    shown = [frame.image[0, 0, 0] for _ in range(60) if (frame := camera.read(1.0))]
    assert shown == [number for number in range(40) if number != 10]
    assert camera.unread == 1
    assert "1 pictures of" in camera.trouble


@pytest.mark.parametrize("pack", ["route_real", "drive_sim"])
def test_replays_of_real_drives_give_the_recorded_distance_within_one_percent(hands, shared, pack):
    drive = load_drive(Path(shared / "data" / pack))
    odometer = ReplayOdometer(hands.play(drive, speed=10))
    *_, total = play_out(odometer, hands, drive.seconds / 10 + 1, rules(Trip()))
    assert total == pytest.approx(float(drive.distance_m[-1]), rel=0.01)
