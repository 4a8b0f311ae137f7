"""Pay that is locked for a round (PROTOCOL, "Pledged pay"): what an entry is due of it, until when one may count on it,
and which of a settlement's entries it reaches. Speaker and cosigners go through the same few functions.

Rules
  1. A credit is due `credit x reward`, rounded up to whole stroops: nobody gets a stroop too few.
  2. What one settlement pays comes out of one balance, the largest. An entry that is due more than the largest holds is
     idle; one that others of the same settlement left too little for, and another balance can pay, waits.
  3. Pay goes by the entries' order on the ledger.
  4. An entry that nothing is left for, or that is due less than 0.0001 XLM, gets its whole stake back, and has no
     voice: nobody works for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Literal

from agent.core.fields import MOST_PRICE
from agent.core.money import UNIT, Stroops
from agent.core.round import Pledge, Round

LONGEST_TRIP_S = 7200
"""A trip that begins in a round's last second is paid for, if it is no longer."""
SPARE_S = 300
"""For an entry to come into a ledger, and for a settlement."""
LAST_S = 60
"""Before its initiator may take it back no settlement counts on a pledge."""

DUST: Stroops = 1000
"""What is due less gets nothing: the ledger takes an offer of less than a hundred stroops off the book where rounding
moves its price by one per cent, and who was credited so little would be paid out of what others earned."""

LATE = "its pay is not locked for as long as a review takes"
GONE = "its pay is no longer locked"
USED_UP = "the pay that was locked for its round is used up"
TOO_LITTLE = "what it is due is too little to be offered"


def fits(reward: Stroops) -> bool:
    """Whether 1.0 DLM for so many stroops of XLM is a fraction of two 32-bit integers, as a price on the ledger is."""
    return reward // gcd(reward, UNIT) <= MOST_PRICE


def due(credit: Stroops, reward: Stroops) -> Stroops:
    return -(-credit * reward // UNIT)


def until(round_: Round) -> int:
    """The earliest that a pledge for such a round may end: who sets out as it is closed is still paid."""
    return round_.published_at + round_.length + LONGEST_TRIP_S + 2 * (round_.review_window + SPARE_S)


def is_late(pledge: Pledge | None, entered_at: int, review_window: int) -> bool:
    """Whether an entry came when its pay was not locked for as long as its review may take."""
    return pledge is not None and entered_at > pledge.until - review_window - SPARE_S


@dataclass(frozen=True, slots=True)
class Locked:
    """A round's pledge, as a settlement finds it."""

    largest: Stroops
    """The balance that pays."""
    second: Stroops = 0
    """The largest of the others."""


@dataclass(slots=True)
class Till:
    """What a settlement may still pay. `lasts`: ledger time until which it may apply."""

    pledge: Pledge
    locked: Locked
    lasts: int
    paid: Stroops = 0

    def pay(self, credit: Stroops) -> str | Literal[True]:
        """True: it is paid. '': it waits for another settlement. Else why it will not be paid, as a sentence."""
        amount = due(credit, self.pledge.reward)
        if self.lasts > self.pledge.until - LAST_S:
            return GONE
        if amount < DUST:
            return TOO_LITTLE
        if amount <= self.locked.largest - self.paid:
            self.paid += amount
            return True
        return "" if amount <= self.locked.second else USED_UP
