"""Trades of a pair in equal spans of time: volume, and the first, last, highest and lowest price."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby, islice
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from .amount import coins, price_text
from .answer import answer, origin
from .asset import asset_order
from .collection import view_of
from .page import read_page, whole
from .problem import bad_field
from .trades import read_pair

RESOLUTIONS_MS = (60_000, 300_000, 900_000, 3_600_000, 86_400_000, 604_800_000)
_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000

Trade = tuple[int, int, int, Fraction]
"""Close time in milliseconds, base stroops, counter stroops, price as counter for one base."""


async def trade_aggregations(request: Request) -> Response:
    page = read_page(request)
    for side in ("base", "counter"):
        if not request.query_params.get(f"{side}_asset_type"):
            raise bad_field(f"{side}_asset_type", "Missing required field")
    pair: Any = read_pair(request)
    resolution, offset = _number(request, "resolution", 0), _number(request, "offset", 0)
    start, end = _number(request, "start_time", 0), _number(request, "end_time", 2**62)
    if resolution not in RESOLUTIONS_MS:
        raise bad_field(
            "resolution",
            "illegal or missing resolution. allowed resolutions are: 1 minute (60000), 5 minutes (300000), 15 minutes "
            "(900000), 1 hour (3600000), 1 day (86400000) and 1 week (604800000)",
        )
    if offset % _HOUR_MS or offset >= min(resolution, _DAY_MS):
        raise bad_field(
            "offset",
            "illegal or missing offset. offset must be a multiple of an hour, less than or equal to the resolution, "
            "and less than 24 hours",
        )
    found = _trades(request, pair, start, end)
    spans = _spans(found, resolution, offset)
    records = list(islice(reversed(list(spans)) if page.descending else spans, page.limit))
    return answer(_document(request, records, resolution, page.descending))


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    try:
        return whole(text) if text else default
    except ValueError:
        raise bad_field(name, f'schema: error converting value for "{name}"') from None


def _trades(request: Request, pair: tuple[str, str], start: int, end: int) -> Iterator[Trade]:
    base, counter = sorted(pair, key=asset_order)
    flipped = pair != (base, counter)
    rows = view_of(request).db.execute(
        "SELECT * FROM trade WHERE base_asset = ? AND counter_asset = ? "
        "AND closed_at * 1000 >= ? AND closed_at * 1000 < ? ORDER BY id, number",
        [base, counter, start, end],
    )
    for row in rows:
        given, got, price = (
            row["base_amount"],
            row["counter_amount"],
            Fraction(row["price_n"], row["price_d"]),
        )
        moment = row["closed_at"] * 1000
        yield (moment, got, given, 1 / price) if flipped else (moment, given, got, price)


def _spans(trades: Iterator[Trade], resolution: int, offset: int) -> Iterator[dict[str, Any]]:
    def start(trade: Trade) -> int:
        return (trade[0] - offset) // resolution * resolution + offset

    for began, group in groupby(trades, key=start):
        yield _span(began, list(group))


def _span(began: int, trades: list[Trade]) -> dict[str, Any]:
    base, counter = sum(trade[1] for trade in trades), sum(trade[2] for trade in trades)
    prices = [trade[3] for trade in trades]
    marks = {"high": max(prices), "low": min(prices), "open": prices[0], "close": prices[-1]}
    return {
        "timestamp": str(began),
        "trade_count": str(len(trades)),
        "base_volume": coins(base),
        "counter_volume": coins(counter),
        "avg": price_text(counter, base) if base else coins(0),
        **{name: price_text(price.numerator, price.denominator) for name, price in marks.items()},
        **{f"{name}_r": {"n": str(p.numerator), "d": str(p.denominator)} for name, p in marks.items()},
    }


def _document(request: Request, records: list[dict[str, Any]], resolution: int, descending: bool) -> dict[str, Any]:
    """A page whose `next` goes on behind the last span in the direction of the order."""
    bound: dict[str, int] = {}
    if records:
        last = int(records[-1]["timestamp"])
        bound = {"end_time": last} if descending else {"start_time": last + resolution}
    query = {**dict(request.query_params), **{name: str(value) for name, value in bound.items()}}
    here = f"{origin(request)}{request.url.path}"
    return {
        "_links": {
            "self": {"href": str(request.url)},
            "next": {"href": f"{here}?{urlencode(query)}"},
            "prev": {"href": ""},
        },
        "_embedded": {"records": records},
    }
