"""`python -m tests.crash.vehicle CONFIG [KIND before|after]`: the real vehicle daemon with a quick trainer, killed
just before or just after the first event of KIND is on the disk."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from agent.cli.daemon import run_until_told
from agent.host.config import load
from agent.journal import Journal
from agent.vehicle import errands
from agent.vehicle.compose import vehicle
from tools.demo.hostile import NoiseTrainer


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


if __name__ == "__main__":
    config = load(sys.argv[1])
    if len(sys.argv) > 2:
        die_at(sys.argv[2], sys.argv[3])
    # The ledger of these tests closes several times a second, so the vehicle asks as often.
    errands.WAIT_S = errands.FAULT_S = (0.1, 0.4)
    run_until_told(lambda clock: vehicle(config, clock, NoiseTrainer()))
