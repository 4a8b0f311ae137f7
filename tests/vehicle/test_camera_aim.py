"""Where the camera is aimed is kept in the car, without a picture, and told when it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.ports import LabelledFrame
from agent.sense.aim import LEAST, MOST, SIZE
from agent.vehicle.camera_aim import FILE, HEAD, CameraAim

SOURCE = "v4l2:/dev/video0"
LUCK = np.random.default_rng(7)
VIEW = np.kron(LUCK.integers(60, 255, (18, 32)), np.ones((10, 10)))[:, :, None].repeat(3, axis=2).astype(np.uint8)
"""What all pictures of a drive have in common."""


def drive(
    aim: CameraAim, seconds: float, shift: int = 0, label: float | None = 1.0, light: float = 1.0, every_s: float = 2.0
) -> None:
    aim.begin()
    for t in np.arange(0.0, seconds, every_s):
        noise = LUCK.normal(0, 6, VIEW.shape)
        image = np.clip(np.roll(VIEW, shift, axis=0) * light + noise, 0, 255).astype(np.uint8)
        aim.see(LabelledFrame(float(t), image, label))
    aim.keep()


def test_two_minutes_of_driving_are_an_aim_and_one_is_none(tmp_path: Path) -> None:
    aim = CameraAim(tmp_path, SOURCE)
    drive(aim, 60, every_s=0.5)
    assert not (tmp_path / FILE).exists()
    drive(aim, 130, every_s=0.5)
    assert aim.trouble is None
    assert aim.change is not None
    assert (tmp_path / FILE).stat().st_size == HEAD.size + 2 * SIZE
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_camera_that_sank_is_told_on_the_next_drive_and_after_a_restart(tmp_path: Path) -> None:
    drive(CameraAim(tmp_path, SOURCE), 130)
    later = CameraAim(tmp_path, SOURCE)
    drive(later, 130, shift=20)
    assert later.trouble is not None
    assert "the road is 11% of the height lower" in later.trouble
    again = CameraAim(tmp_path, SOURCE)
    assert again.change == later.change


@pytest.mark.slow
def test_the_reference_is_what_was_seen_first(tmp_path: Path) -> None:
    aim = CameraAim(tmp_path, SOURCE)
    drive(aim, 2.0 * MOST + 10)
    reference = aim.reference
    drive(aim, 130, shift=20)
    assert aim.reference is reference
    assert aim.newest.pictures == LEAST


@pytest.mark.slow
def test_where_the_car_is_parked_and_the_night_are_not_kept(tmp_path: Path) -> None:
    aim = CameraAim(tmp_path, SOURCE)
    drive(aim, 300, label=None)
    drive(aim, 300, light=0.1)
    assert aim.reference.pictures == 0
    assert not (tmp_path / FILE).exists()


def test_another_camera_begins_anew(tmp_path: Path) -> None:
    drive(CameraAim(tmp_path, SOURCE), 130)
    assert CameraAim(tmp_path, "v4l2:/dev/video2").reference.pictures == 0


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"\xff" * (HEAD.size + 2 * SIZE), b"x" * 1_000_000])
def test_a_file_that_is_rotten_is_as_good_as_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    aim = CameraAim(tmp_path, SOURCE)
    assert aim.reference.pictures == 0
    drive(aim, 130)
    assert CameraAim(tmp_path, SOURCE).reference.is_sure
