"""What every Clock promises: the system's, and one that is turned by hand."""

from __future__ import annotations

import threading

import pytest

from agent.host.clock import ManualClock, SystemClock
from agent.ports import Clock


@pytest.fixture(params=[SystemClock, ManualClock])
def clock(request: pytest.FixtureRequest) -> SystemClock | ManualClock:
    made: SystemClock | ManualClock = request.param()
    return made


def test_sleeping_takes_time(clock: Clock) -> None:
    now, monotonic = clock.now(), clock.monotonic()
    clock.sleep(0.02)
    assert clock.monotonic() > monotonic
    assert clock.now() >= now
    assert not clock.stopped


def test_a_clock_that_was_told_to_stop_says_so_and_lets_nobody_sleep_on(clock: SystemClock | ManualClock) -> None:
    sleeper = threading.Thread(target=lambda: clock.sleep(60))
    sleeper.start()
    clock.stop()
    sleeper.join(10)
    assert not sleeper.is_alive()
    assert clock.stopped
    clock.stop()
    clock.sleep(60)
    assert clock.stopped


def test_no_time_is_slept_at_once(clock: Clock) -> None:
    monotonic = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= monotonic


def test_whoever_waits_is_woken_and_once_is_enough_before_it_waits(clock: SystemClock | ManualClock) -> None:
    monotonic = clock.monotonic()
    clock.wake()
    clock.wake()
    clock.wait(600)
    assert clock.monotonic() < monotonic + 600
    clock.wait(0.01)
    assert clock.monotonic() > monotonic
    waiter = threading.Thread(target=lambda: clock.wait(600))
    waiter.start()
    clock.wake()
    waiter.join(10)
    assert not waiter.is_alive()


def test_who_sleeps_is_not_woken(clock: Clock) -> None:
    monotonic = clock.monotonic()
    clock.wake()
    clock.sleep(0.02)
    assert clock.monotonic() > monotonic
    clock.wait(600)
    assert clock.monotonic() < monotonic + 600


def test_a_clock_that_was_told_to_stop_lets_nobody_wait(clock: SystemClock) -> None:
    waiter = threading.Thread(target=lambda: clock.wait(600))
    waiter.start()
    clock.stop()
    waiter.join(10)
    assert not waiter.is_alive()
