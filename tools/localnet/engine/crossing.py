"""Walking a book: a taker sends sheep and receives wheat, offer after offer, best price first (RULES 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from . import liabilities
from .assets import Asset
from .entries import Offer
from .exchange import Rounding, Trade, adjusted_amount, exchange
from .holdings import can_buy, can_sell, move
from .refusal import Inconsistent
from .reserves import release_subentry
from .state import LedgerState

MAX_OFFERS_CROSSED = 1000
"""For one operation, all its hops together."""


class End(Enum):
    """Why a walk ended."""

    OK = auto()
    """The taker has all it wanted or has reached its limits."""
    PARTIAL = auto()
    """More was wanted than the book gives."""
    BAD_PRICE = auto()
    CROSS_SELF = auto()
    TOO_MANY = auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """One crossed offer as the result tells of it. Amounts may both be 0."""

    seller: str
    offer_id: int
    sold: Asset
    amount_sold: int
    bought: Asset
    amount_bought: int


@dataclass(slots=True)
class Walk:
    """What a walk has done: `sheep_sent` by the taker, `wheat_received` by it, `claims` in order."""

    end: End
    sheep_sent: int = 0
    wheat_received: int = 0
    claims: list[Claim] = field(default_factory=list)


Filter = Callable[[Offer], "End | None"]
"""Why to stop before this offer, or None to cross it."""


def cross(
    state: LedgerState,
    sheep: Asset,
    max_sheep_send: int,
    wheat: Asset,
    max_wheat_receive: int,
    rounding: Rounding,
    stop: Filter,
    max_offers: int = MAX_OFFERS_CROSSED,
) -> Walk:
    """Cross offers that sell `wheat` for `sheep` within the taker's limits; its own balances stay."""
    walk = Walk(End.OK)
    while max_sheep_send > 0 and max_wheat_receive > 0:
        offer = state.best_offer(selling=wheat, buying=sheep)
        if offer is None:
            walk.end = End.PARTIAL
            break
        reason = stop(offer)
        if reason is None and len(walk.claims) >= max_offers:
            reason = End.TOO_MANY
        if reason is not None:
            walk.end = reason
            break
        trade = cross_one(state, offer, max_wheat_receive, max_sheep_send, rounding)
        walk.claims.append(Claim(offer.seller, offer.id, wheat, trade.wheat, sheep, trade.sheep))
        walk.wheat_received += trade.wheat
        walk.sheep_sent += trade.sheep
        max_wheat_receive -= trade.wheat
        max_sheep_send -= trade.sheep
        if trade.wheat_stays:
            break
    return walk


def cross_one(
    state: LedgerState, offer: Offer, max_wheat_receive: int, max_sheep_send: int, rounding: Rounding
) -> Trade:
    """Cross one offer: the maker's balances and liabilities and the offer change, the taker's do not."""
    n, d, seller = offer.n, offer.d, offer.seller
    liabilities.release(state, offer)
    deliverable = can_sell(state, seller, offer.selling)
    receivable = can_buy(state, seller, offer.buying)
    amount = adjusted_amount(n, d, min(offer.amount, deliverable), receivable)
    trade = exchange(n, d, min(amount, deliverable), max_wheat_receive, max_sheep_send, receivable, rounding)
    delivered = move(state, seller, offer.selling, -trade.wheat)
    received = move(state, seller, offer.buying, trade.sheep)
    if not (delivered and received):
        raise Inconsistent(f"Offer {offer.id} cannot be settled: {trade} is beyond its seller's balances.")
    left = _left(state, offer, amount - trade.wheat) if trade.wheat_stays else 0
    if left:
        offer = replace(offer, amount=left)
        state.put(offer)
        liabilities.acquire(state, offer)
    else:
        state.remove(offer)
        release_subentry(state, seller)
    return trade


def _left(state: LedgerState, offer: Offer, amount: int) -> int:
    """What remains of an offer after a trade, or 0 where that would be dust."""
    deliverable = min(amount, can_sell(state, offer.seller, offer.selling))
    return adjusted_amount(offer.n, offer.d, deliverable, can_buy(state, offer.seller, offer.buying))
