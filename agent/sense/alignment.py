"""Frames and steering brought together: each frame gets the steering of the moment at which it was taken.

Readings come from the daemon's loop, frames from the capture thread, and a frame can only be labelled once
a reading after it is there. Too far from a reading on either side, there is no label: a guess would be
learnt as truth.
"""

from __future__ import annotations

import bisect
import math
import threading
from collections import deque

from agent.ports import Frame, LabelledFrame, Reading

REMEMBERED_S = 30.0
"""Steering older than this belongs to no frame that is still waiting."""

WAITING_BYTES = 64 << 20
"""What waits for its label holds at most this much memory; beyond it the oldest goes on unlabelled."""


class Aligner:
    """Thread-safe. `gap_s`: the longest time between two readings over which steering is interpolated."""

    def __init__(self, gap_s: float = 0.25) -> None:
        self._gap_s = gap_s
        self._lock = threading.Lock()
        self._times: list[float] = []
        self._degrees: list[float] = []
        self._heard = -math.inf
        self._waiting: deque[Frame] = deque()
        self._waiting_bytes = 0

    def __repr__(self) -> str:
        return f"<Aligner {len(self._waiting)} frames waiting, {len(self._times)} readings>"

    def reading(self, reading: Reading) -> None:
        """Take a reading; those without steering still say that time went on."""
        with self._lock:
            if reading.t < self._heard - REMEMBERED_S:  # the source's clock went back: what it said is undated now
                self._times, self._degrees = [], []
            self._heard = reading.t
            if reading.steering_deg is None or not math.isfinite(reading.steering_deg):
                return
            place = bisect.bisect_right(self._times, reading.t)
            self._times.insert(place, reading.t)
            self._degrees.insert(place, reading.steering_deg)
            old = bisect.bisect_left(self._times, reading.t - REMEMBERED_S)
            if old > len(self._times) // 2:
                del self._times[:old], self._degrees[:old]

    def frame(self, frame: Frame) -> None:
        """Take a frame; it comes out of `ready` in its turn."""
        with self._lock:
            self._waiting.append(frame)
            self._waiting_bytes += frame.image.nbytes

    def ready(self, *, last: bool = False) -> list[LabelledFrame]:
        """Frames whose label is known, or known to be unknown, in order of capture. `last`: no reading will
        follow.
        """
        with self._lock:
            ready = []
            while self._waiting and (last or self._decided(self._waiting[0]) or self._full()):
                frame = self._waiting.popleft()
                self._waiting_bytes -= frame.image.nbytes
                label = steering_at(frame.t, self._times, self._degrees, self._gap_s)
                ready.append(LabelledFrame(frame.t, frame.image, label))
            return ready

    def _decided(self, frame: Frame) -> bool:
        return bool(self._times and self._times[-1] >= frame.t) or self._heard > frame.t + self._gap_s

    def _full(self) -> bool:
        return self._waiting_bytes > WAITING_BYTES


def steering_at(t: float, times: list[float], degrees: list[float], gap_s: float) -> float | None:
    """Linear interpolation at `t`, or None outside the readings or in a gap wider than `gap_s`.

    `times` ascending, `degrees` of the same length.
    """
    after = bisect.bisect_left(times, t)
    if after < len(times) and times[after] == t:
        return degrees[after]
    if after in (0, len(times)) or times[after] - times[after - 1] > gap_s:
        return None
    share = (t - times[after - 1]) / (times[after] - times[after - 1])
    return degrees[after - 1] + share * (degrees[after] - degrees[after - 1])
