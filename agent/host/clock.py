"""Time: the system's, and one that a test turns by hand."""

from __future__ import annotations

import os
import select
import time
import weakref


class SystemClock:
    """The machine's time. `stop` wakes whoever sleeps, so that a daemon ends without delay."""

    def __init__(self) -> None:
        self.stopped = False
        self._wakes, self._wake = os.pipe()
        for end in (self._wakes, self._wake):
            weakref.finalize(self, os.close, end)

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        sleeper = select.poll()
        sleeper.register(self._wakes, select.POLLIN)
        sleeper.poll(max(0.0, seconds) * 1000)

    def stop(self) -> None:
        """Safe in a signal handler and in any thread: no lock, which the handler's own thread may hold just then (as
        `threading.Event.set` would need). The pipe stays full, so that every later sleep is short too."""
        if not self.stopped:
            self.stopped = True
            os.write(self._wake, b"!")


class ManualClock:
    """Time that passes only when somebody sleeps or turns it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0
        self.stopped = False

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.turn(seconds)

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as NTP does: monotonic time goes on as before."""
        self._now += seconds

    def stop(self) -> None:
        self.stopped = True
