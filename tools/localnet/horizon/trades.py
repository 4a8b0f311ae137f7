"""Trades: who gave what to whom, and at which resting offer's price."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..view import View
from .amount import coins
from .answer import link
from .asset import asset_fields, asset_order, read_asset
from .collection import Collection, Condition
from .moment import moment
from .offers import OFFER, offer_in_address
from .page import pair_key
from .party import known_account
from .problem import bad_field

_TYPES = ("all", "orderbook", "liquidity_pool")
_OFFER = "(base_offer = ? OR counter_offer = ?)"
_ACCOUNT = "(base_account = ? OR counter_account = ?)"


def trade_record(_view: View, row: Any, base: str) -> dict[str, Any]:
    return _record(row, base, "base", "counter", row["price_n"], row["price_d"])


def _flipped_record(_view: View, row: Any, base: str) -> dict[str, Any]:
    return _record(row, base, "counter", "base", row["price_d"], row["price_n"])


def _record(row: Any, base: str, first: str, second: str, n: int, d: int) -> dict[str, Any]:
    """`first` and `second` say which columns the reader calls base and counter."""
    token = f"{row['id']}-{row['number']}"
    seller = "base" if row["base_is_seller"] else "counter"
    return {
        "_links": {
            "self": link(base, ""),
            "base": link(base, f"/accounts/{row[f'{first}_account']}"),
            "counter": link(base, f"/accounts/{row[f'{second}_account']}"),
            "operation": link(base, f"/operations/{row['id']}"),
        },
        "id": token,
        "paging_token": token,
        "ledger_close_time": moment(row["closed_at"]),
        "trade_type": "orderbook",
        **_side(row, first, "base"),
        **_side(row, second, "counter"),
        "base_is_seller": seller == first,
        "price": {"n": str(n), "d": str(d)},
    }


def _side(row: Any, column: str, name: str) -> dict[str, str]:
    return {
        f"{name}_offer_id": str(row[f"{column}_offer"]),
        f"{name}_account": row[f"{column}_account"],
        f"{name}_amount": coins(row[f"{column}_amount"]),
        **asset_fields(row[f"{column}_asset"], f"{name}_"),
    }


_KEY = pair_key("id", "number")
_TRADES = Collection("SELECT * FROM trade", _KEY, trade_record, history=True)
_FLIPPED = Collection("SELECT * FROM trade", _KEY, _flipped_record, history=True)


async def trades(request: Request) -> Response:
    where: list[Condition] = list(_of_type(request))
    if offer := request.query_params.get("offer_id"):
        if not (offer.isascii() and offer.isdigit() and len(offer) < 19):
            raise bad_field("offer_id", OFFER)
        where.append((_OFFER, [int(offer)] * 2))
    pair = read_pair(request)
    if pair is None:
        return await _TRADES.respond(request, *where)
    base, counter = sorted(pair, key=asset_order)
    where.append(("base_asset = ? AND counter_asset = ?", [base, counter]))
    return await (_TRADES if pair == (base, counter) else _FLIPPED).respond(request, *where)


async def account_trades(request: Request) -> Response:
    mine = (_ACCOUNT, [known_account(request)] * 2)
    return await _TRADES.respond(request, mine, *_of_type(request))


async def offer_trades(request: Request) -> Response:
    return await _TRADES.respond(request, (_OFFER, [offer_in_address(request)] * 2), *_of_type(request))


def read_pair(request: Request) -> tuple[str, str] | None:
    """The base and counter assets of the request; one needs the other."""
    base, counter = read_asset(request, "base_"), read_asset(request, "counter_")
    if (base is None) != (counter is None):
        raise bad_field(
            "base_asset_type,counter_asset_type",
            "this endpoint supports asset pairs but only one asset supplied",
        )
    return (base, counter) if base and counter else None


def _of_type(request: Request) -> list[Condition]:
    """All trades here are of the order book: there are no pools."""
    kind = request.query_params.get("trade_type") or "all"
    if kind not in _TYPES:
        raise bad_field("trade_type", "Trade type must be all, orderbook, or liquidity_pool")
    return [("0", ())] if kind == "liquidity_pool" else []
