"""`python -m tests.crash.vehicle CONFIG [KIND before|after]`: the real vehicle daemon with a quick trainer, killed
just before or just after the first event of KIND is on the disk."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from agent.cli.daemon import run_until_told
from agent.compose.vehicle import vehicle
from agent.core.jobs.contribution import JobState
from agent.core.pauses import Backoff
from agent.host.clock import SystemClock
from agent.host.config import Config, load
from agent.journal import Journal
from agent.ports import Reading
from agent.vehicle import background
from agent.vehicle.book import JobBook
from agent.vehicle.daemon import Vehicle
from tools.demo.hostile import NoiseTrainer

TRAINED_LOOKS = 8
"""Looks at the odometer, 50 ms each, for which a trip is trained on."""


def die_at(kind: str, when: str) -> None:
    append_all = Journal.append_all

    def watched(journal: Journal, events: list[Any], *rest: Any) -> Any:
        struck = any(event[1] == kind for event in events)
        if struck and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        written = append_all(journal, events, *rest)
        if struck:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    Journal.append_all = watched  # type: ignore[method-assign]


class Car:
    """An odometer whose trip lasts until it was trained on for a moment, or, where it cannot be, a while."""

    trouble: str | None = None
    pause_s = 0.0

    def __init__(self, book: JobBook, longest: float) -> None:
        self._logbook, self._longest = book, longest
        self._t = self._metres = 0.0
        self._trained = 0

    def poll(self) -> Sequence[Reading]:
        """Ten metres a look, at 36 km/h by the reading's own time."""
        self._t += 1
        driving, is_new = self._logbook.driving, self._logbook.next_id() == "trip-000001"
        self._trained += driving is not None and driving.state is JobState.TRAINING
        drives = (driving is not None or is_new) and self._trained < TRAINED_LOOKS and self._t < self._longest
        self._metres += 10 * drives
        return [Reading(self._t, speed_kmh=36.0 * drives, travelled_m=self._metres, ignition=drives)]

    def close(self) -> None:
        """Nothing is held."""


def compose(config: Config, clock: SystemClock) -> Vehicle:
    made = vehicle(config, clock, dict, NoiseTrainer())
    made.parts.odometer = Car(made.parts.book, math.inf if config.market.min_pay == "0" else 20)
    return made


if __name__ == "__main__":
    settings = load(sys.argv[1])
    if len(sys.argv) > 2:
        die_at(sys.argv[2], sys.argv[3])
    # The ledger of these tests closes several times a second, so the vehicle asks as often.
    background.WAIT_S = background.FAULT_S = background.VERDICT_S = Backoff(0.1, 0.4)
    run_until_told(lambda clock: compose(settings, clock))
