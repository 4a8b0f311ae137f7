"""Operations of transactions in closed ledgers; payments are the operations that move money to someone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import xdr

from ..view import View
from .answer import answer, link, origin
from .collection import Collection, Condition, truth, view_of
from .details import PAYMENT_TYPES
from .ledgers import known_ledger, ledger_range
from .moment import moment
from .page import number_key, whole
from .party import known_account, known_balance
from .problem import Problem, bad_field
from .toid import ledger_of
from .transactions import find_transaction, hash_in_address, transaction_record

_COLUMNS = "SELECT operation.*, history.hash, ledger.closed_at FROM"
_JOINS = """JOIN history ON history.id = operation.id >> 12 << 12
    JOIN ledger ON ledger.sequence = operation.id >> 32"""
_SELECT = f"{_COLUMNS} operation {_JOINS}"
# Driven by the account's own index (a CROSS JOIN keeps its order), so that a page costs the same however long
# the account's history is.
_SELECT_OF_ACCOUNT = f"{_COLUMNS} operation_account AS taken CROSS JOIN operation ON operation.id = taken.id {_JOINS}"
_BALANCE = "operation.id IN (SELECT id FROM operation_balance WHERE balance = ?)"
_WITHIN = "operation.id BETWEEN ? AND ?"
_PAYMENTS = (f"operation.type IN ({', '.join(map(str, sorted(PAYMENT_TYPES)))})", ())
_SUCCESSFUL: Condition = ("operation.successful = 1", ())
_NAMES = {kind.value: kind.name.lower() for kind in xdr.OperationType}


def operation_record(_view: View, row: Any, base: str) -> dict[str, Any]:
    token = str(row["id"])
    return {
        "_links": {
            "self": link(base, f"/operations/{token}"),
            "transaction": link(base, f"/transactions/{row['hash']}"),
            "effects": link(base, f"/operations/{token}/effects"),
            "succeeds": link(base, f"/effects?order=desc&cursor={token}"),
            "precedes": link(base, f"/effects?order=asc&cursor={token}"),
        },
        "id": token,
        "paging_token": token,
        "transaction_successful": bool(row["successful"]),
        "type": _NAMES.get(row["type"], "unknown"),
        "type_i": row["type"],
        "created_at": moment(row["closed_at"]),
        "transaction_hash": row["hash"],
        **json.loads(row["fields"]),
    }


def _joined_record(view: View, row: Any, base: str) -> dict[str, Any]:
    whole_row = find_transaction(view, row["hash"])
    return {**operation_record(view, row, base), "transaction": transaction_record(view, whole_row, base)}


async def operations(request: Request) -> Response:
    return await _respond(request)


async def account_operations(request: Request) -> Response:
    return await _respond_for_account(request)


async def ledger_operations(request: Request) -> Response:
    return await _respond(request, (_WITHIN, ledger_range(known_ledger(request))))


async def balance_operations(request: Request) -> Response:
    return await _respond(request, (_BALANCE, [known_balance(request)]))


async def transaction_operations(request: Request) -> Response:
    return await _respond(request, (_WITHIN, transaction_range(request)), failed=True)


async def payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS)


async def account_payments(request: Request) -> Response:
    return await _respond_for_account(request, _PAYMENTS)


async def ledger_payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS, (_WITHIN, ledger_range(known_ledger(request))))


async def transaction_payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS, (_WITHIN, transaction_range(request)), failed=True)


async def operation(request: Request) -> Response:
    view = view_of(request)
    number = operation_in_address(request)
    if ledger_of(number) < view.elder:
        raise Problem("before_history")
    row = view.db.execute(f"{_SELECT} WHERE operation.id = ?", [number]).fetchone()
    if row is None:
        raise Problem("not_found")
    return answer(_render(request)(view, row, origin(request)))


def operation_in_address(
    request: Request, field: str = "id", reason: str = 'schema: error converting value for "id"'
) -> int:
    try:
        return whole(request.path_params["operation"])
    except ValueError:
        raise bad_field(field, reason) from None


def transaction_range(request: Request) -> tuple[int, int]:
    """The first and the last operation id of the transaction in the address."""
    row = find_transaction(view_of(request), hash_in_address(request))
    if row is None:
        raise Problem("not_found")
    return row["id"], row["id"] + (1 << 12) - 1


async def _respond(request: Request, *where: Condition, failed: bool = False) -> Response:
    """`failed`: of one transaction all operations are shown, whether it failed or not."""
    collection = Collection(_SELECT, number_key("operation.id"), _render(request), history=True)
    shown = failed or truth(request, "include_failed")
    return await collection.respond(request, *where, *([] if shown else [_SUCCESSFUL]))


async def _respond_for_account(request: Request, *where: Condition) -> Response:
    collection = Collection(_SELECT_OF_ACCOUNT, number_key("taken.id"), _render(request), history=True)
    mine = ("taken.account = ?", [known_account(request)])
    hidden = [] if truth(request, "include_failed") else [_SUCCESSFUL]
    return await collection.respond(request, mine, *where, *hidden)


def _render(request: Request) -> Callable[[View, Any, str], dict[str, Any]]:
    """How the request wants its operations: alone, or each with its transaction."""
    join = request.query_params.get("join")
    if join not in (None, "", "transactions"):
        raise bad_field("join", "Accepted values: transactions")
    return _joined_record if join else operation_record
