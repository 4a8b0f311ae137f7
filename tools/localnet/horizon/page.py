"""Paging: `cursor`, `order` and `limit` of a request, and the page that answers it.

A cursor is exclusive and is the paging token of a record. Every collection orders its records by a key of
one or more columns; a token is that key in writing, so a page is one indexed range of SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from .answer import origin
from .problem import bad_field

MAX_LIMIT = 200
DEFAULT_LIMIT = 10
_INT64 = 2**63 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}\Z")

Token = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the client asked for: the token to start behind, the direction, and how many."""

    cursor: str | None
    descending: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Key:
    """How a collection is ordered.

    columns: SQL columns, unique together. read: cursor text -> their values (ValueError when it is none).
    wrong: Horizon's words for a cursor that is none.
    """

    columns: tuple[str, ...]
    read: Callable[[str], Token]
    wrong: str = "cursor: invalid value"


def read_page(request: Request, default_limit: int = DEFAULT_LIMIT) -> Page:
    query = request.query_params
    order = query.get("order") or "asc"
    if order not in ("asc", "desc"):
        raise bad_field("order", "order: invalid value")
    return Page(query.get("cursor") or None, order == "desc", read_limit(request, default_limit))


def read_limit(request: Request, default: int) -> int:
    text = request.query_params.get("limit")
    if not text:
        return default
    if not _INTEGER.match(text) or abs(int(text)) > _INT64:
        raise bad_field("limit", "unparseable value")
    if int(text) <= 0:
        raise bad_field("limit", "invalid limit: non-positive value provided")
    if int(text) > MAX_LIMIT:
        raise bad_field("limit", f"invalid limit: value provided that is over limit max of {MAX_LIMIT}")
    return int(text)


def whole(text: str) -> int:
    """A non-negative 64-bit number, or ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _INT64):
        raise ValueError(text)
    return int(text)


def number_key(column: str) -> Key:
    """Keys that are one number: ledgers, transactions, operations, offers."""
    return Key((column,), lambda text: (whole(text),))


def text_key(column: str) -> Key:
    return Key((column,), lambda text: (text,))


def pair_key(first: str, second: str) -> Key:
    """Keys `{operation}-{index}`: effects and trades."""

    def read(text: str) -> Token:
        head, _, tail = text.partition("-")
        return whole(head), whole(tail) if tail else _INT64

    return Key((first, second), read)


def read_cursor(key: Key, cursor: str) -> Token:
    try:
        return key.read(cursor)
    except ValueError:
        negative = cursor[:1] == "-" and cursor[1:].isascii() and cursor[1:].isdigit()
        reason = f"the cursor {cursor} is a negative number: " if negative else key.wrong
        raise bad_field("cursor", reason) from None


def position(key: Key, page: Page) -> tuple[str, Sequence[Any]]:
    """The condition and order of one page in SQL, with the values it binds.

    Column names come from the tables of this package alone, never from a request.
    """
    columns = ", ".join(key.columns)
    direction = "DESC" if page.descending else "ASC"
    order = "ORDER BY " + ", ".join(f"{column} {direction}" for column in key.columns) + " LIMIT ?"
    if page.cursor is None:
        return f"1 {order}", [page.limit]
    token = read_cursor(key, page.cursor)
    marks = ", ".join("?" for _ in token)
    sign = "<" if page.descending else ">"
    return f"({columns}) {sign} ({marks}) {order}", [*token, page.limit]


def page_document(request: Request, page: Page, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The page with its three links. The client follows `next` and `prev` as they stand."""
    tokens = [record["paging_token"] for record in records] or [page.cursor]
    return {
        "_links": {
            "self": {"href": _href(request, page.cursor, page.descending, page.limit)},
            "next": {"href": _href(request, tokens[-1], page.descending, page.limit)},
            "prev": {"href": _href(request, tokens[0], not page.descending, page.limit)},
        },
        "_embedded": {"records": records},
    }


def _href(request: Request, cursor: str | None, descending: bool, limit: int) -> str:
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in ("cursor", "order", "limit")]
    own = [("cursor", cursor or ""), ("limit", str(limit)), ("order", "desc" if descending else "asc")]
    return f"{origin(request)}{request.url.path}?{urlencode(kept + own)}"
