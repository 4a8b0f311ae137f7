"""Whose turn it is to be judged, so that of several copies the first to be entered is paid and no other.

Rules
  1. The entries of one settlement account are judged in the order of their ledgers: an original before its copies,
     whatever order their bundles come to light in.
  2. An entry whose bundle is not to be had holds later ones up for a quarter of the review window, and no longer. Once
     its bundle is here it holds up those on the same base alone.
  3. Whichever was judged first is the original. An entry that comes to light late is compared with those that went
     ahead of it.

At most one of several copies is accepted by each validator, and so by the committee: who says "accepted" to the one
says "rejected" or "idle" to the others, and no two of them can both have more than half of two thirds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.ids import CidText, StakeId

PART_OF_WINDOW = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry without a verdict."""

    id: StakeId
    ledger: int
    holds_until: int
    """Ledger time from which on it holds nobody up."""
    base: CidText = CidText("")
    """The round it was trained on; '' while that is not known."""
    is_here: bool = False
    """Whether its bundle is."""

    @property
    def order(self) -> tuple[int, StakeId]:
        return self.ledger, self.id


def patience(entered_at: int, review_window: int) -> int:
    """Until when an entry may keep others waiting."""
    return entered_at + review_window // PART_OF_WINDOW


def may_be_judged(waiting: Iterable[Waiting], now: int) -> list[Waiting]:
    """Those with a bundle that no earlier entry of the same settlement account holds up, oldest first."""
    holding: list[Waiting] = []
    found: list[Waiting] = []
    for one in sorted(waiting, key=lambda w: w.order):
        if one.is_here and not any(other.base in ("", one.base) for other in holding):
            found.append(one)
        if now < one.holds_until:
            holding.append(one)
    return found
