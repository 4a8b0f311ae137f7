"""The market for room in a ledger: it goes to who bids most for an operation, and all pay what the last one in bid.

The queue has room for two ledgers. Beyond it a bid must be better than the least that waits, which then has to
go. What waits for four ledgers in vain goes as well, and what went is not looked at again for a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from .entries import Header
from .envelope import Envelope

QUEUE_LEDGERS = 2
"""How many ledgers' operations may wait."""
PENDING_LEDGERS = 4
"""For how many closes a transaction waits; then it is dropped and banned."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Strangers who fill every ledger and bid `bid` stroops for an operation; 0 is nobody.

    at_the_door: they fill the queue as well, so that a lower bid is refused at once instead of waiting in vain.
    """

    bid: int = 0
    at_the_door: bool = False


NOBODY = Crowd()


def rate(envelope: Envelope) -> Fraction:
    """Stroops bid for an operation; a fee bump pays for one operation more."""
    return Fraction(envelope.fee_bid, envelope.operations_charged)


def better_fee(least: Fraction, envelope: Envelope) -> int:
    """The smallest fee by which this envelope's rate would be above `least`."""
    return int(least * envelope.operations_charged) + 1


def price(header: Header, batch: Iterable[Envelope], scarce: bool, crowd: Crowd = NOBODY) -> int:
    """What a ledger's operations cost. scarce: something was left out of the batch for want of room."""
    if not scarce:
        return max(header.base_fee, crowd.bid)
    return max(header.base_fee, int(min(map(rate, batch), default=Fraction(crowd.bid))))
