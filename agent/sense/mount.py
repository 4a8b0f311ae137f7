"""How a camera is mounted, seen from how the scene moves: the horizon from driving on, the tilt from turning.

Going straight, everything moves away from one point, the focus of expansion (Gibson 1950); on a level road it lies on
the horizon. In a bend everything far away moves along the horizon, so the direction of that movement is its tilt.
Corners are found by Shi and Tomasi's measure and followed by Lucas and Kanade's method.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from agent.sense.film import Image

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 256, 144
CORNERS = 80
LONGEST_S = 0.25
"""Over a longer time the scene has moved too far to be followed."""
FAR = (0.3, 0.15, 0.65)
"""Half the width around the middle, and from and to in heights: where a scene is far away."""
POOLED = 10
"""Pairs of frames of which one focus is made."""
KEPT = 2_000
LEAST_FOCI, LEAST_MOVES = 3, 60
OUTWARD = 0.8
"""Share of all movements that must lead away from the focus: in a bend they do not."""
LEAST_TURN_PX = 1.0
"""Root mean square of the sideways movement between two frames, below which the drive has no bends."""
STRAIGHTEST = 12.0
"""How many times the movement must be longer than broad before it has a direction."""


class MountMeter:
    """Looks at frames in turn, in ascending order of time. Bounded memory."""

    def __init__(self) -> None:
        self._t = -math.inf
        self._grey: Any = None
        self._pool: list[tuple[Floats, Floats]] = []
        self._foci: deque[float] = deque(maxlen=KEPT)
        self._moves: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def __repr__(self) -> str:
        return f"<MountMeter horizon={self.horizon} tilt_deg={self.tilt_deg}>"

    @property
    def horizon(self) -> float | None:
        """In heights from the top; None while the drive has not shown it."""
        return round(float(np.median(self._foci)), 3) if len(self._foci) >= LEAST_FOCI else None

    @property
    def tilt_deg(self) -> float | None:
        """Positive: the picture's horizon falls to the right; None while the drive has not shown it."""
        moves = np.array(self._moves)
        if len(moves) < LEAST_MOVES or moves[:, 0].std() < LEAST_TURN_PX:
            return None
        spread, axes = np.linalg.eigh(np.cov(moves.T))
        along = axes[:, 1]
        if spread[1] < STRAIGHTEST * spread[0]:
            return None
        return round(math.degrees(math.atan(along[1] / along[0])), 1) if along[0] else None

    def look(self, t: float, image: Image) -> None:
        import cv2

        small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        before, self._grey = self._grey, grey
        began, self._t = self._t, t
        if before is None or not 0 < t - began <= LONGEST_S:
            return
        corners = cv2.goodFeaturesToTrack(before, CORNERS, 0.01, 6)
        if corners is None:
            return
        ends, found, _ = cv2.calcOpticalFlowPyrLK(before, grey, corners, None, winSize=(15, 15), maxLevel=2)
        good = found[:, 0] == 1
        self._take(corners[good, 0].astype(np.float64), (ends - corners)[good, 0].astype(np.float64))

    def _take(self, places: Floats, moves: Floats) -> None:
        aside, top, end = FAR
        far = np.abs(places[:, 0] / WIDTH - 0.5) < aside
        far &= (places[:, 1] > top * HEIGHT) & (places[:, 1] < end * HEIGHT)
        if far.sum() >= 8:
            across, down = np.median(moves[far], axis=0)
            self._moves.append((float(across), float(down)))
        length = np.hypot(*moves.T)
        clear = (length > 0.8) & (length < 30)
        self._pool.append((places[clear], moves[clear]))
        if len(self._pool) == POOLED:
            focus = focus_of(*(np.concatenate(part) for part in zip(*self._pool, strict=True)))
            self._pool = []
            if focus is not None and 0 < focus[1] < HEIGHT:
                self._foci.append(float(focus[1]) / HEIGHT)


def focus_of(places: Floats, moves: Floats) -> Floats | None:
    """Where all movements come from, (x, y), by weighted least squares; None where there is no such point."""
    if len(places) < 4 * POOLED:
        return None
    across = np.stack([-moves[:, 1], moves[:, 0]], axis=1) / np.hypot(*moves.T)[:, None]
    offsets, weights = (across * places).sum(axis=1), np.ones(len(places))
    focus = np.array([WIDTH / 2, HEIGHT / 2])
    for _ in range(8):
        weighted = across * weights[:, None]
        try:
            focus = np.linalg.solve(weighted.T @ across, weighted.T @ offsets)
        except np.linalg.LinAlgError:
            return None
        weights = 1 / (1 + np.square((across @ focus - offsets) / 6.0))
    outward = (moves * (places - focus)).sum(axis=1) > 0
    return focus if outward.mean() > OUTWARD else None
