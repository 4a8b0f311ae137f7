"""How much later than the road its picture comes, measured on a drive: when the car turns, the scene moves sideways.

The sideways movement between two frames is found by phase correlation (Kuglin and Hines 1975), in bands of the picture:
near the horizon it is the car's turning alone, lower down the road's own bends hide it, and no car's horizon stands
where another's does, so the band that fits best counts. How fast the car turns is steering times speed (a bicycle,
seen from far). Both are laid over each other at every lag (`lag.py`); the lag at which they agree best is the latency.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.ports import Frame, Reading

if TYPE_CHECKING:
    from agent.sense.film import Image

WIDTH, HEIGHT = 128, 72
"""Pixels that a frame is looked at with."""
BANDS = ((0.0, 0.2), (0.15, 0.35), (0.3, 0.5), (0.45, 0.65))
"""From and to, in heights from the top."""
KEPT = 9_000
"""Movements and turns remembered: seven minutes and more at 20 a second."""

GAP_S = 0.5
"""Across a longer silence nothing is interpolated."""
LEAST_S = 60.0
"""Less of a drive says nothing."""


@dataclass(frozen=True, slots=True)
class Latency:
    """`seconds` from the moment at which the car turned to the picture of it. It holds what the car itself takes to
    answer its wheel, about 0.1 s."""

    seconds: float
    uncertainty_s: float
    """One standard deviation."""
    agreement: float
    """The correlation of turning and movement at this lag, 0 to 1."""


class SidewaysMotion:
    """How fast the scene moves to the right, in picture widths a second, band by band."""

    def __init__(self) -> None:
        self._t = -math.inf
        self._bands: list[Any] = []
        self._windows: list[Any] = []

    def look(self, t: float, image: Image) -> tuple[float, ...] | None:
        """The middle of the time since the last frame, and the speed in each band; None after a gap."""
        import cv2

        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype("float32")
        small -= cv2.blur(small, (15, 15))  # light changes, edges stay
        bands = [small[int(top * HEIGHT) : int(end * HEIGHT)] for top, end in BANDS]
        if not self._windows:
            self._windows = [cv2.createHanningWindow(band.shape[::-1], cv2.CV_32F) for band in bands]
        before, self._bands = self._bands, bands
        began, self._t = self._t, t
        if not before or not 0 < t - began <= GAP_S:
            return None
        moved = [
            cv2.phaseCorrelate(old, new, window)[0][0]
            for old, new, window in zip(before, bands, self._windows, strict=True)
        ]
        return ((began + t) / 2, *(pixels / WIDTH / (t - began) for pixels in moved))


class LatencyMeter:
    """Takes frames of one thread and readings of another; `measure` may be asked from a third. Bounded memory."""

    def __init__(self) -> None:
        self._motion = SidewaysMotion()
        self._lock = threading.Lock()
        self._moves: deque[tuple[float, ...]] = deque(maxlen=KEPT)
        self._turns: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self._kmh = math.nan

    def __repr__(self) -> str:
        return f"<LatencyMeter {len(self._moves)} movements, {len(self._turns)} turns>"

    def frame(self, frame: Frame) -> None:
        if (move := self._motion.look(frame.t, frame.image)) is not None:
            with self._lock:
                if self._moves and move[0] < self._moves[-1][0]:
                    self._moves.clear()
                self._moves.append(move)

    def reading(self, reading: Reading) -> None:
        with self._lock:
            if reading.speed_kmh is not None:
                self._kmh = reading.speed_kmh
            if reading.steering_deg is not None and math.isfinite(reading.steering_deg):
                if self._turns and reading.t < self._turns[-1][0]:  # the source's clock went back
                    self._turns.clear()
                self._turns.append((reading.t, reading.steering_deg, self._kmh))

    def measure(self) -> Latency | str:
        """The latency, or in a sentence why the drive does not show it."""
        import numpy as np

        from agent.sense.lag import measure

        with self._lock:
            moves, turns = np.array(self._moves), np.array(self._turns)
        if len(moves) < 2 or len(turns) < 2:
            return too_short(0.0)
        steering, kmh = turns[:, 1], turns[:, 2]
        rate = steering * kmh if np.isfinite(kmh).mean() > 0.9 else steering
        good = np.isfinite(rate)
        return measure(moves[:, 0], moves[:, 1:], turns[good, 0], rate[good])


def too_short(seconds: float) -> str:
    return f"The drive has shown {math.floor(seconds)} s of picture and steering; {LEAST_S:.0f} s are needed."


NO_TURNS = "The drive has too few turns to show it."
AT_ODDS = (
    "The picture turns against the steering. Positive steering is to the left: check the sign of its mapping, and "
    "that the picture is neither mirrored nor upside down."
)
