"""Time: the system's, and one that a test turns by hand."""

from __future__ import annotations

import os
import select
import time
import weakref

from agent.troubles import ClockUnset

EARLIEST = 1_767_225_600.0
"""The start of 2026, seconds since the epoch: a clock that says less was not set. Boards without a battery start in
1970, or when their software was built."""


def unset(now: float) -> ClockUnset | None:
    """What there is to say of a clock that says `now`."""
    return ClockUnset(date=time.strftime("%Y-%m-%d", time.gmtime(now))) if now < EARLIEST else None


class SystemClock:
    """The machine's time. `stop` wakes whoever sleeps, so that a daemon ends without delay; `wake` whoever waits."""

    def __init__(self) -> None:
        self.stopped = False
        self._learnt: tuple[float, float] | None = None
        self._stops, self._stop = os.pipe()
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        for end in (self._stops, self._stop, self._woken):
            weakref.finalize(self, os.close, end)

    def now(self) -> float:
        own = time.time()
        if own >= EARLIEST or self._learnt is None:
            return own
        then, since = self._learnt
        return then + time.monotonic() - since

    def learn(self, now: float) -> None:
        if self._learnt is None or now > self._learnt[0]:
            self._learnt = now, time.monotonic()

    @property
    def trouble(self) -> ClockUnset | None:
        return unset(time.time())

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        _poll(seconds, self._stops)

    def wait(self, seconds: float) -> None:
        if self._woken in _poll(seconds, self._stops, self._woken):
            os.eventfd_read(self._woken)

    def wake(self) -> None:
        """A count in the kernel: what is woken before it waits does not wait."""
        os.eventfd_write(self._woken, 1)

    def stop(self) -> None:
        """Safe in a signal handler and in any thread: no lock, which the handler's own thread may hold just then (as
        `threading.Event.set` would need). The pipe stays full, so that every later sleep is short too."""
        if not self.stopped:
            self.stopped = True
            os.write(self._stop, b"!")


def _poll(seconds: float, *ends: int) -> list[int]:
    """Those that can be read, as soon as one can or the seconds are over."""
    poll = select.poll()
    for end in ends:
        poll.register(end, select.POLLIN)
    return [end for end, _ in poll.poll(max(0.0, seconds) * 1000)]


class ManualClock:
    """Time that passes only when somebody sleeps or turns it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0
        self._woken = False
        self.stopped = False

    def now(self) -> float:
        return self._now

    def learn(self, now: float) -> None:
        if self._now < EARLIEST:
            self._now = now

    @property
    def trouble(self) -> ClockUnset | None:
        return unset(self._now)

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.turn(seconds)

    def wait(self, seconds: float) -> None:
        woken, self._woken = self._woken, False
        if not woken:
            self.turn(seconds)

    def wake(self) -> None:
        self._woken = True

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as NTP does: monotonic time goes on as before."""
        self._now += seconds

    def stop(self) -> None:
        self.stopped = True
