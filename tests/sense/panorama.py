"""A camera that turns before a wide picture, and the steering that belongs to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agent.ports import Frame, Reading
from agent.sense.alignment import Aligner

SCENE = np.random.default_rng(5).integers(0, 255, (72, 4096, 3), dtype=np.uint8).repeat(2, axis=1)


def panorama(
    aligner: Aligner, degrees: Callable[[float], float], late_s: float, noise: float = 0.0, sign: int = 1
) -> None:
    """The camera turns as the steering says, or against it; 80 s, 20 a second."""
    luck, at = np.random.default_rng(1), 4000.0
    for step in range(1600):
        t = step / 20
        aligner.reading(Reading(t, 50.0, steering_deg=degrees(t) + noise * luck.normal()))
        at -= sign * degrees(t)  # to the left: the scene moves to the right
        left = int(at) % (SCENE.shape[1] - 128)
        aligner.frame(Frame(t + late_s, SCENE[:, left : left + 128]))


def wandering(t: float) -> float:
    return 3 * np.sin(t / 3) * np.sin(t / 7.3) + 2 * np.sin(t / 1.9)
