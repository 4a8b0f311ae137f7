"""What a validator asks its Horizon for in one turn: everything while something goes on, and at most one request a turn
for each settlement account once it has been quiet for a while."""

from __future__ import annotations

from enum import Enum

LINGER = 60
"""Turns after the last thing that went on in which everything is still asked for: shares may be on their way."""
CYCLE = 32
"""Turns of quiet after which everything is asked for once."""
REST = 6
"""Turns in which nothing is asked for afterwards: as many requests as that took too many."""


class Ask(Enum):
    EVERYTHING = "everything"
    STAKES = "stakes"
    ROUNDS = "rounds"
    NOTHING = "nothing"


class Pace:
    def __init__(self) -> None:
        self._quiet = 0

    def next(self, is_busy: bool) -> Ask:
        """For this turn."""
        self._quiet = 0 if is_busy else self._quiet + 1
        since = self._quiet - LINGER
        if since < 0:
            return Ask.EVERYTHING
        place = since % CYCLE
        if place < REST:
            return Ask.NOTHING
        if place == CYCLE - 1:
            return Ask.EVERYTHING
        return Ask.STAKES if place % 2 else Ask.ROUNDS

    def wake(self) -> None:
        """Something was found."""
        self._quiet = 0
