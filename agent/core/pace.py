"""What a validator asks its Horizon for in one turn: everything while something goes on, and in the quiet at most one
request for each settlement account and closed ledger."""

from __future__ import annotations

from enum import Enum

LEDGER_S = 5.0
"""Between two ledgers, as long as no two were seen (public network)."""


class Ask(Enum):
    EVERYTHING = "everything"
    STAKES = "stakes"
    ROUNDS = "rounds"
    NOTHING = "nothing"


class Pace:
    """Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._ask = Ask.EVERYTHING
        self._asked_at: float | None = None
        self._first: tuple[int, float] | None = None
        """The first ledger that was told of, and when."""
        self._ledger, self._ledger_s = 0, LEDGER_S

    def next(self, is_busy: bool, ledger: int, now: float) -> Ask:
        """For this turn. `ledger`: the newest that any answer so far has told of."""
        self._measure(ledger, now)
        if is_busy or self._asked_at is None:
            self._ask, self._asked_at = Ask.EVERYTHING, now
            return Ask.EVERYTHING
        if now < self._asked_at + self._ledger_s:  # there is no other ledger yet
            return Ask.NOTHING
        self._ask = Ask.ROUNDS if self._ask is Ask.STAKES else Ask.STAKES
        self._asked_at = now
        return self._ask

    def _measure(self, ledger: int, now: float) -> None:
        """A private network may close its ledgers faster than the public one; none is taken to be slower."""
        if ledger > self._ledger:
            first, seen_at = self._first = self._first or (ledger, now)
            if ledger > first:
                self._ledger_s = min(LEDGER_S, (now - seen_at) / (ledger - first))
            self._ledger = ledger
