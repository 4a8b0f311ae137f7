"""What changes hands when a taker meets one resting offer (RULES 3).

The resting offer sells *wheat* for *sheep* at n/d sheep for each wheat. Four limits bound the trade: what the
maker can deliver (max_wheat_send) and take (max_sheep_receive), what the taker wants (max_wheat_receive) and
can pay (max_sheep_send). Python's integers have no upper end, so products are simply written down.

Rounding always favours the side that remains: the resting offer if it stays, otherwise the taker.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .entries import MAX


class Rounding(Enum):
    NORMAL = "offers"
    STRICT_SEND = "path payment, strict send"
    STRICT_RECEIVE = "path payment, strict receive"


class Trade(NamedTuple):
    """`wheat` goes to the taker, `sheep` to the maker."""

    wheat: int
    sheep: int
    wheat_stays: bool
    """Whether the resting offer is the larger side and so remains."""


def exchange(
    n: int,
    d: int,
    max_wheat_send: int,
    max_wheat_receive: int,
    max_sheep_send: int,
    max_sheep_receive: int,
    rounding: Rounding,
) -> Trade:
    """The trade, rounded, and cancelled where rounding would cost somebody more than one per cent."""
    trade = exchange_unbounded(n, d, max_wheat_send, max_wheat_receive, max_sheep_send, max_sheep_receive, rounding)
    if trade.wheat > 0 and trade.sheep > 0:
        fair = rounding is not Rounding.NORMAL or within_price_bound(n, d, trade.wheat, trade.sheep)
    else:
        fair = rounding is Rounding.STRICT_SEND
    return trade if fair else Trade(0, 0, trade.wheat_stays)


def exchange_unbounded(
    n: int,
    d: int,
    max_wheat_send: int,
    max_wheat_receive: int,
    max_sheep_send: int,
    max_sheep_receive: int,
    rounding: Rounding,
) -> Trade:
    """The trade before the bound on its price; the liabilities of offers are defined by it."""
    wheat_value = min(max_wheat_send * n, max_sheep_receive * d)
    sheep_value = min(max_sheep_send * d, max_wheat_receive * n)
    wheat_stays = wheat_value > sheep_value
    if wheat_stays:
        if rounding is Rounding.STRICT_SEND:
            wheat = sheep_value // n
            sheep = min(max_sheep_send, max_sheep_receive)
        elif n > d or rounding is Rounding.STRICT_RECEIVE:
            wheat = sheep_value // n
            sheep = _ceil(wheat * n, d)
        else:
            sheep = sheep_value // d
            wheat = sheep * d // n
    elif n > d:
        wheat = wheat_value // n
        sheep = wheat * n // d
    else:
        sheep = wheat_value // d
        wheat = _ceil(sheep * d, n)
    return Trade(wheat, sheep, wheat_stays)


def within_price_bound(n: int, d: int, wheat: int, sheep: int, may_favour_wheat: bool = False) -> bool:
    """Whether sheep/wheat is within one per cent of n/d; the resting offer may be favoured without limit."""
    due, paid = 100 * n * wheat, 100 * d * sheep
    return (may_favour_wheat and paid > due) or abs(due - paid) <= n * wheat


def adjusted_amount(n: int, d: int, max_wheat_send: int, max_sheep_receive: int) -> int:
    """The largest amount an offer can hold that an unlimited taker would take whole; 0 means it is dust.

    Idempotent: at 3/2, 29 becomes 0 and 28 stays 28.
    """
    return exchange(n, d, max_wheat_send, MAX, MAX, max_sheep_receive, Rounding.NORMAL).wheat


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
