"""Frames and steering brought together: each frame gets the steering of the moment at which it was taken.

Readings come from the daemon's loop, frames from the capture thread, and a frame can only be labelled once
a reading after it is there. Too far from a reading on either side, there is no label: a guess would be
learnt as truth. Nor is there one where steering means nothing: at a standstill, in reverse, or where the
signal has stuck while the car drives.

A camera shows the road as it was some time ago. By how much is measured on the way, and labels follow it.
"""

from __future__ import annotations

import bisect
import math
import threading
from collections import deque

from agent.ports import Frame, LabelledFrame, Reading
from agent.sense.latency import LatencyMeter

REMEMBERED_S = 30.0
"""Steering older than this belongs to no frame that is still waiting."""

ROLLING_KMH = 3.0
"""Slower than this a car parks or stands, and its wheels may point anywhere."""

SPEED_S = 2.0
"""A speed says how a frame's moment was when it is no older than this."""

STUCK_S = 10.0
"""Steering that is the same to the last digit for so long, while the car drives, is a signal that has stuck."""

STUCK_KMH = 10.0

WAITING_BYTES = 64 << 20
"""What waits for its label holds at most this much memory; beyond it the oldest goes on unlabelled."""


class Aligner:
    """Thread-safe. `gap_s`: the longest time between two readings over which steering is interpolated. `latency_s`: how
    much earlier than its stamp a frame's road was; it may be set at any time."""

    def __init__(self, gap_s: float = 0.25, latency_s: float = 0.0) -> None:
        self._gap_s = gap_s
        self.latency_s = latency_s
        self.meter = LatencyMeter()
        self._lock = threading.Lock()
        self._times: list[float] = []
        self._degrees: list[float] = []
        self._speed: tuple[float, float] = (-math.inf, math.nan)
        """When it was said last, and what: km/h, negative in reverse."""
        self._halts: list[tuple[float, float]] = []
        """Stretches, from and to, in which no steering counts; the last one may go on."""
        self._turned: tuple[float, float] = (math.inf, math.nan)
        """Since when the steering is what it is."""
        self.stuck = False
        self._heard = -math.inf
        self._waiting: deque[Frame] = deque()
        self._waiting_bytes = 0

    def __repr__(self) -> str:
        return f"<Aligner {len(self._waiting)} frames waiting, {len(self._times)} readings>"

    def reading(self, reading: Reading) -> None:
        """Take a reading; those without steering still say that time went on."""
        self.meter.reading(reading)
        with self._lock:
            if reading.t < self._heard - REMEMBERED_S:  # the source's clock went back: what it said is undated now
                self._times, self._degrees = [], []
                self._halts, self._speed, self._turned = [], (-math.inf, math.nan), (math.inf, math.nan)
            self._heard = reading.t
            if reading.speed_kmh is not None and math.isfinite(reading.speed_kmh):
                self._speed = (reading.t, reading.speed_kmh)
            if reading.steering_deg is None or not math.isfinite(reading.steering_deg):
                return
            self._halt(reading.t, reading.steering_deg)
            place = bisect.bisect_right(self._times, reading.t)
            self._times.insert(place, reading.t)
            self._degrees.insert(place, reading.steering_deg)
            old = bisect.bisect_left(self._times, reading.t - REMEMBERED_S)
            if old > len(self._times) // 2:
                del self._times[:old], self._degrees[:old]

    @property
    def trouble(self) -> str | None:
        """A sentence while the steering is not to be believed, else None."""
        if not self.stuck:
            return None
        return f"The steering has not changed for {STUCK_S:.0f} s of driving. Nothing is learnt. Check its signal."

    def _halt(self, t: float, degrees: float) -> None:
        """Note whether this reading's steering means anything."""
        said_t, kmh = self._speed
        known = t - said_t <= SPEED_S
        if degrees != self._turned[1] or (known and abs(kmh) < STUCK_KMH):
            self._turned = (t, degrees)
        self.stuck = known and t - self._turned[0] >= STUCK_S
        if self.stuck or (known and kmh < ROLLING_KMH):
            begins = not self._halts or self._halts[-1][1] != math.inf
            if begins:
                self._halts.append((t, math.inf))
        elif self._halts and self._halts[-1][1] == math.inf:
            self._halts[-1] = (self._halts[-1][0], t)
        while self._halts and self._halts[0][1] < t - REMEMBERED_S:
            del self._halts[0]

    def frame(self, frame: Frame) -> None:
        """Take a frame; it comes out of `ready` in its turn."""
        self.meter.frame(frame)
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
                moment = frame.t - self.latency_s
                halted = any(begin <= moment <= end for begin, end in self._halts)
                label = None if halted else steering_at(moment, self._times, self._degrees, self._gap_s)
                ready.append(LabelledFrame(frame.t, frame.image, label))
            return ready

    def _decided(self, frame: Frame) -> bool:
        moment = frame.t - self.latency_s
        return bool(self._times and self._times[-1] >= moment) or self._heard > moment + self._gap_s

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
