"""One life of a party: a process of its own that is killed, with SIGKILL, just before or just after something lasts."""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from agent.content.folder import FolderStore
from agent.journal import Journal
from agent.ledger.horizon import Horizon
from tools.chaos.ground import Ground

DOORS = {"journal": 6, "ledger": 3, "store": 1}
"""What lasts: an event that is written down, an envelope that is handed in, a bundle that is stored; and how often each
is struck."""
FAR = 6
"""Writes of a door that a life sees, at most, before it ends."""
LONGEST_S = 120
"""A life that lasts longer hangs: it is ended, and the bench fails."""


class Hung(RuntimeError):
    """A life did not come to its end."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Where the power goes: on one side of the `nth` write at a door."""

    door: str
    nth: int
    after: bool


def drawn(dice: random.Random, doors: Mapping[str, int] = DOORS) -> Strike:
    door = dice.choices([*doors], [*doors.values()])[0]
    return Strike(door, 1 + min(int(dice.expovariate(1.0)), FAR - 1), dice.random() < 0.5)


def live(work: Callable[[], object], strike: Strike | None, ground: Ground, notes: Path, of: str) -> bool:
    """Whether the work came to its end: else the strike did. What was struck, and in which part of the play, is added
    to the notes."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(work, strike, ground, notes, of)
    _, status = os.waitpid(pid, 0)
    ground.caught_up()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return True
    raise Hung(f"{of}, {strike}: wait status {status}")


def _child(work: Callable[[], object], strike: Strike | None, ground: Ground, notes: Path, of: str) -> None:
    try:
        signal.alarm(LONGEST_S)
        ground.exchange.session = requests.Session()  # the parent's connections are the parent's
        ground.exchange.session.trust_env = False
        if strike is not None:
            _arm(strike, notes, of)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _arm(strike: Strike, notes: Path, of: str) -> None:
    left = strike.nth

    def struck(owner: type, name: str, door: str, said: Callable[[Sequence[Any]], str]) -> None:
        real = getattr(owner, name)

        def watched(self: Any, *args: Any, **options: Any) -> Any:
            nonlocal left
            left -= door == strike.door
            dies = door == strike.door and left == 0
            if dies and not strike.after:
                _die(notes, f"{of}: before {said(args)}")
            made = real(self, *args, **options)
            if dies:
                _die(notes, f"{of}: after {said(args)}")
            return made

        setattr(owner, name, watched)

    struck(Journal, "append_all", "journal", lambda args: ", ".join(_event(row) for row in args[0]))
    struck(Horizon, "hand_in", "ledger", lambda args: "handing in")
    struck(FolderStore, "put", "store", lambda args: "storing")


def _event(row: Sequence[Any]) -> str:
    """An event by its kind, and by its job where one kind is of several."""
    job, kind = str(row[0]), str(row[1])
    of = job.partition("-")[0]
    return f"{of}:{kind}" if of in ("settlement", "round", "pledge") else kind


def _die(notes: Path, said: str) -> None:
    with notes.open("a") as out:
        out.write(said + "\n")
    os.kill(os.getpid(), signal.SIGKILL)
