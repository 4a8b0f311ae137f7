"""Horizon and tilt, from how the scene moves."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.sense.drive import load_film
from agent.sense.mount import MountMeter
from agent.sense.road import HEIGHT, HORIZON_PX, synthetic_drive
from tests.sense.films import pictures

REAL = Path(__file__).parents[3] / "shared/data/camera_real/solidWhiteRight_960x540_25fps.mp4"


@cache
def drive() -> list[np.ndarray]:
    return pictures(synthetic_drive(45, 20, 3), 100)


def look(images: list[np.ndarray]) -> MountMeter:
    meter = MountMeter()
    for number, image in enumerate(images):
        meter.look(number / 20, image)
    return meter


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 5, -8])
def test_horizon_and_tilt_of_the_drawn_road_are_found(degrees: int) -> None:
    turn = cv2.getRotationMatrix2D((100, HORIZON_PX), -degrees, 1)
    meter = look([cv2.warpAffine(image, turn, (200, 100), borderMode=cv2.BORDER_REFLECT) for image in drive()])
    assert meter.tilt_deg == pytest.approx(degrees, abs=1.0)
    assert meter.horizon == pytest.approx(HORIZON_PX / HEIGHT, abs=0.04)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the shared recordings are not here")
def test_a_motorways_horizon_is_found_and_its_tilt_is_not_guessed() -> None:
    """It lies at 302 of 540 lines, where the lanes meet; the road has no bend."""
    meter = look(pictures(load_film(REAL, 0)))
    assert meter.horizon == pytest.approx(302 / 540, abs=0.02)
    assert meter.tilt_deg is None


def test_a_car_that_stands_shows_neither() -> None:
    still = np.random.default_rng(1).integers(0, 255, (72, 128, 3), np.uint8)
    meter = look([still] * 200)
    assert meter.horizon is None
    assert meter.tilt_deg is None
