"""The order book of a pair: levels of price, asks and bids."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby, islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import Asset, Offer
from ..view import View
from .amount import coins, price_text
from .answer import answer
from .asset import asset_fields, require_asset
from .collection import view_of
from .page import read_limit
from .problem import Problem
from .stream import stream_object, wants_stream

_DEFAULT_LIMIT = 20


async def order_book(request: Request) -> Response:
    view = view_of(request)
    try:
        limit = read_limit(request, _DEFAULT_LIMIT)
        base = Asset.parse(require_asset(request, "selling_"))
        counter = Asset.parse(require_asset(request, "buying_"))
    except Problem:
        raise Problem("invalid_order_book") from None

    def read() -> dict[str, Any]:
        return order_book_document(view, base, counter, limit)

    return stream_object(request, view, read) if wants_stream(request) else answer(read())


def order_book_document(view: View, base: Asset, counter: Asset, limit: int) -> dict[str, Any]:
    """Asks sell base for counter, lowest first. Bids are the opposite offers, their price inverted and their
    amount left in counter, which is what they sell; highest first.
    """
    asks = levels(view.state.book(base, counter), inverted=False)
    bids = levels(view.state.book(counter, base), inverted=True)
    return {
        "bids": list(islice(bids, limit)),
        "asks": list(islice(asks, limit)),
        "base": asset_fields(str(base)),
        "counter": asset_fields(str(counter)),
    }


def levels(offers: Iterator[Offer], inverted: bool) -> Iterator[dict[str, Any]]:
    """Offers of one price as one level; prices are the same when their doubles are, as in the book itself."""
    for _, group in groupby(offers, key=lambda offer: offer.n / offer.d):
        same = list(group)
        price = Fraction(same[0].n, same[0].d)
        price = 1 / price if inverted else price
        yield {
            "price_r": {"n": price.numerator, "d": price.denominator},
            "price": price_text(price.numerator, price.denominator),
            "amount": coins(sum(offer.amount for offer in same)),
        }
