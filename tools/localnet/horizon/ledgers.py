"""Closed ledgers."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..view import View
from .amount import coins
from .answer import answer, link, origin
from .collection import Collection, view_of
from .moment import moment
from .page import Key, whole
from .problem import Problem, bad_field
from .toid import ledger_of, toid

_BITS = 32


def ledger_record(_view: View, row: Any, base: str) -> dict[str, Any]:
    path = f"/ledgers/{row['sequence']}"
    return {
        "_links": {
            "self": link(base, path),
            **{noun: link(base, f"{path}/{noun}", True) for noun in _NOUNS},
        },
        "id": row["hash"],
        "paging_token": str(toid(row["sequence"])),
        "hash": row["hash"],
        "prev_hash": row["previous_hash"],
        "sequence": row["sequence"],
        "successful_transaction_count": row["successful"],
        "failed_transaction_count": row["failed"],
        "operation_count": row["operations"],
        "tx_set_operation_count": row["set_operations"],
        "closed_at": moment(row["closed_at"]),
        "total_coins": coins(row["total_coins"]),
        "fee_pool": coins(row["fee_pool"]),
        "base_fee_in_stroops": row["base_fee"],
        "base_reserve_in_stroops": row["base_reserve"],
        "max_tx_set_size": row["max_tx_set_size"],
        "protocol_version": row["protocol"],
        "header_xdr": base64.b64encode(row["header"]).decode(),
    }


_NOUNS = ("transactions", "operations", "payments", "effects")
_LEDGERS = Collection(
    "SELECT * FROM ledger",
    Key(("sequence",), lambda text: (ledger_of(whole(text)),)),
    ledger_record,
    history=True,
)


def closed_at(view: View, sequence: int) -> str | None:
    """When a ledger closed, in writing; None when that is forgotten."""
    row = view.db.execute("SELECT closed_at FROM ledger WHERE sequence = ?", [sequence]).fetchone()
    return moment(row["closed_at"]) if row else None


async def ledgers(request: Request) -> Response:
    return await _LEDGERS.respond(request)


async def ledger(request: Request) -> Response:
    view, sequence = view_of(request), ledger_in_address(request)
    if sequence < view.elder:
        raise Problem("before_history")
    row = view.db.execute("SELECT * FROM ledger WHERE sequence = ?", [known_ledger(request)]).fetchone()
    return answer(ledger_record(view, row, origin(request)))


def ledger_in_address(request: Request) -> int:
    try:
        return whole(request.path_params["ledger"])
    except ValueError:
        raise bad_field("ledger_id", "Ledger ID must be an integer higher than 0") from None


def known_ledger(request: Request) -> int:
    """The sequence in the address, of a ledger that is remembered. Horizon has 404 for it where it is not."""
    view, sequence = view_of(request), ledger_in_address(request)
    if not view.elder <= sequence <= view.header.ledger_seq:
        raise Problem("not_found")
    return sequence


def ledger_range(sequence: int) -> tuple[int, int]:
    """The first and the last id of a ledger's transactions, operations or effects."""
    return sequence << _BITS, (sequence + 1 << _BITS) - 1
