"""What open offers have promised (RULES 2): the seller's balance covers it, its limits leave room for it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from .assets import NATIVE, Asset
from .entries import MAX, Offer
from .exchange import Rounding, exchange_unbounded
from .refusal import Inconsistent
from .state import LedgerState


class Liabilities(NamedTuple):
    selling: int
    buying: int


def liabilities_of(n: int, d: int, amount: int, max_receive: int = MAX) -> Liabilities:
    """Of an offer over `amount` at n/d; `max_receive` bounds the other side, as a buy offer's amount does."""
    trade = exchange_unbounded(n, d, amount, MAX, MAX, max_receive, Rounding.NORMAL)
    return Liabilities(trade.wheat, trade.sheep)


def acquire(state: LedgerState, offer: Offer) -> None:
    """Write an offer's liabilities onto its seller's balances."""
    owed = liabilities_of(offer.n, offer.d, offer.amount)
    _add(state, offer.seller, offer.selling, selling=owed.selling)
    _add(state, offer.seller, offer.buying, buying=owed.buying)


def release(state: LedgerState, offer: Offer) -> None:
    """Take them off again, before the offer is changed, crossed or removed."""
    owed = liabilities_of(offer.n, offer.d, offer.amount)
    _add(state, offer.seller, offer.selling, selling=-owed.selling)
    _add(state, offer.seller, offer.buying, buying=-owed.buying)


def _add(state: LedgerState, account: str, asset: Asset, *, selling: int = 0, buying: int = 0) -> None:
    if asset.issuer == account:
        return
    held = state.account(account) if asset == NATIVE else state.trust_line(account, asset)
    if held is None:
        raise Inconsistent(f"{account} has an open offer in {asset} and no place to hold it.")
    state.put(
        replace(
            held,
            selling_liabilities=held.selling_liabilities + selling,
            buying_liabilities=held.buying_liabilities + buying,
        )
    )
