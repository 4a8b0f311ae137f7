"""A camera that no longer sees."""

from __future__ import annotations

import numpy as np

from agent.sense.sight import Sight

NOISE = np.random.default_rng(0)


def image(brightness: float, noise: float = 2.0) -> np.ndarray:
    return np.clip(NOISE.normal(brightness, noise, (60, 80, 3)), 0, 255).astype(np.uint8)


def test_a_covered_lens_is_told_after_a_moment_and_not_for_one_dark_frame():
    sight = Sight("front")
    assert sight.look(0.0, image(1)) is None
    assert sight.look(1.0, image(100)) is None
    said = [sight.look(2 + t / 10, image(1)) for t in range(40)]
    assert said[0] is None
    assert said[-1] == "The image of front is black. Nothing is learnt from it. Is the lens covered?"
    assert sight.look(7.0, image(100)) is None


def test_a_night_road_is_not_black():
    sight, night = Sight("front"), image(3)
    night[40:, 20:60] = 60  # what the headlights reach
    assert not any(sight.look(t / 10, night + np.uint8(t % 2)) for t in range(100))


def test_a_picture_that_repeats_to_the_bit_is_frozen_and_a_parked_car_is_not():
    sight, still = Sight("front"), image(100)
    assert not any(sight.look(t / 10, image(100)) for t in range(100))
    said = [sight.look(10 + t / 10, still) for t in range(60)]
    assert "frozen" in said[-1]
    assert said[20] is None
