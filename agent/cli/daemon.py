"""What `milepost run` and `milepost validator run` have in common: signals end the loop, gently."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from agent.host.clock import SystemClock


class Daemon(Protocol):
    def run(self) -> None: ...


def run_until_told(compose: Callable[[SystemClock], Daemon]) -> None:
    """SIGTERM and Ctrl-C let the loop finish its turn, say goodbye and close the journal."""
    clock = SystemClock()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        clock.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    compose(clock).run()
