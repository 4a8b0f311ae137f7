"""gpsd, by its JSON protocol on TCP (gpsd_json(5)).

Only a fix of now is a position: `mode` below 2 is none, and a report whose time stamp did not move on is an
old one said again; some receivers give no time at all. It is not compared with this machine's: one of the two is
often wrong.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from agent.core.pauses import Patience
from agent.ports import Position, Reading, Wake, nobody
from agent.sense.closing import Closing

WATCH = b'?WATCH={"enable":true,"json":true}\n'
LONGEST_LINE = 64 << 10
NO_FIX_S = 60.0
SILENCE_S = 10.0
"""gpsd reports every second or more often: past this the connection is dead, whatever TCP believes."""

TIMELESS = 5
"""So many reports in a row without a time, and the receiver has none."""

KEPT = 4096
"""Readings held for a daemon that does not poll; the oldest go first."""


class GpsdOdometer:
    """Speed and position from gpsd at `host`:`port`. A thread listens and reconnects with growing pauses."""

    pause_s = math.inf

    def __init__(
        self, host: str, port: int = 2947, now: Callable[[], float] = time.monotonic, wake: Wake = nobody
    ) -> None:
        self._at, self._now, self._wake = (host, port), now, wake
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        self._closing = Closing()
        self._connected = False
        self._fixed_at = now()
        self._last_time: object = None
        self._timeless = 0
        self.refused = 0
        """Lines that were no JSON object, too long, or held values that cannot be."""
        self._thread = threading.Thread(target=self._listen, name="gpsd", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<GpsdOdometer {self._at[0]}:{self._at[1]} trouble={self.trouble!r}>"

    @property
    def trouble(self) -> str | None:
        host, port = self._at
        if not self._connected:
            return f"No gpsd at {host}:{port}. Trips cannot start by GPS. Is it running there?"
        if self._now() - self._fixed_at < NO_FIX_S:
            return None
        return (  # the bound, not the time: what creeps is no news
            f"No fix from gpsd for {NO_FIX_S:.0f} s. Trips cannot start by GPS. "
            "Check the antenna, or run `milepost doctor`."
        )

    def poll(self) -> Sequence[Reading]:
        return [self._readings.popleft() for _ in range(len(self._readings))]

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _listen(self) -> None:
        patience = Patience()
        while not self._closing.is_set():
            try:
                with socket.create_connection(self._at, timeout=2.0) as link:
                    link.sendall(WATCH)
                    self._follow(link, patience)
            except OSError:
                pass  # told by `trouble`; the pause below is what there is to do
            self._connected = False
            self._closing.wait(patience.pause())

    def _follow(self, link: socket.socket, patience: Patience) -> None:
        """Take lines until gpsd hangs up or goes silent. Raises OSError."""
        rest, heard_at = b"", self._now()
        while self._closing.readable(link.fileno(), heard_at + SILENCE_S - self._now()):
            received = link.recv(LONGEST_LINE)
            if not received:
                return
            heard_at = self._now()
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > LONGEST_LINE:
                self.refused += 1
                return
            if lines and not self._connected:
                self._connected = True
                patience.reward()

    def _take(self, line: bytes) -> None:
        report = _report(line)
        if report is None:
            self.refused += 1
        elif report.get("class") == "TPV" and self._is_new(report.get("time") or None):
            reading = fix(self._now(), report)
            if reading is not None:
                self._fixed_at = reading.t
                self._readings.append(reading)
                self._wake()

    def _is_new(self, time: object) -> bool:
        """gpsd gives parts of a report without a time too; only a receiver that never has one is believed without."""
        self._timeless = self._timeless + 1 if time is None else 0
        before, self._last_time = self._last_time, self._last_time if time is None else time
        return self._timeless >= TIMELESS if time is None else time != before


def _report(line: bytes) -> dict[str, object] | None:
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def fix(t: float, report: dict[str, object]) -> Reading | None:
    """A TPV report as a reading, or None when it holds no fix."""
    latitude, longitude = _number(report, "lat", 90.0), _number(report, "lon", 180.0)
    mode = report.get("mode")
    if not isinstance(mode, int) or mode < 2 or latitude is None or longitude is None:
        return None
    speed_mps = _number(report, "speed", 1000.0)
    return Reading(
        t,
        speed_kmh=None if speed_mps is None else speed_mps * 3.6,
        position=Position(latitude, longitude, _number(report, "eph", 1e6)),
    )


def _number(report: dict[str, object], name: str, most: float) -> float | None:
    number = report.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not -most <= number <= most:
        return None
    return float(number) if math.isfinite(number) else None
