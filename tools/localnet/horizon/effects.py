"""Effects of operations in closed ledgers."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..view import View
from .answer import link
from .collection import Collection
from .effect import NAMES
from .ledgers import known_ledger, ledger_range
from .moment import moment
from .operations import operation_in_address, transaction_range
from .page import pair_key
from .party import known_account

_SELECT = "SELECT effect.*, ledger.closed_at FROM effect JOIN ledger ON ledger.sequence = effect.id >> 32"
_WITHIN = "effect.id BETWEEN ? AND ?"


def effect_record(_view: View, row: Any, base: str) -> dict[str, Any]:
    operation, number = row["id"], row["number"]
    token = f"{operation}-{number}"
    return {
        "_links": {
            "operation": link(base, f"/operations/{operation}"),
            "succeeds": link(base, f"/effects?order=desc&cursor={token}"),
            "precedes": link(base, f"/effects?order=asc&cursor={token}"),
        },
        "id": f"{operation:019d}-{number:010d}",
        "paging_token": token,
        "account": row["account"],
        "type": NAMES[row["type"]],
        "type_i": row["type"],
        "created_at": moment(row["closed_at"]),
        **json.loads(row["fields"]),
    }


_EFFECTS = Collection(_SELECT, pair_key("effect.id", "effect.number"), effect_record, history=True)


async def effects(request: Request) -> Response:
    return await _EFFECTS.respond(request)


async def account_effects(request: Request) -> Response:
    return await _EFFECTS.respond(request, ("effect.account = ?", [known_account(request)]))


async def ledger_effects(request: Request) -> Response:
    return await _EFFECTS.respond(request, (_WITHIN, ledger_range(known_ledger(request))))


async def transaction_effects(request: Request) -> Response:
    return await _EFFECTS.respond(request, (_WITHIN, transaction_range(request)))


async def operation_effects(request: Request) -> Response:
    """An operation that never was, or is forgotten, has an empty page."""
    number = operation_in_address(request, "op_id", "Operation ID must be an integer higher than 0")
    return await _EFFECTS.respond(request, ("effect.id = ?", [number]))
