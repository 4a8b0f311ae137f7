"""Operations of transactions in closed ledgers; payments are the operations that move money to someone."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import xdr

from tools.localnet.horizon.answer import answer, link, origin
from tools.localnet.horizon.collection import Collection, Condition, node_of, truth
from tools.localnet.horizon.details import PAYMENT_TYPES
from tools.localnet.horizon.ledgers import known_ledger, ledger_range
from tools.localnet.horizon.moment import moment
from tools.localnet.horizon.page import number_key, whole
from tools.localnet.horizon.party import known_account, known_balance
from tools.localnet.horizon.problem import Problem, bad_field
from tools.localnet.horizon.transactions import find_transaction, hash_in_address, transaction_record
from tools.localnet.node import Node

_SELECT = """SELECT operation.*, history.hash, ledger.closed_at FROM operation
    JOIN history ON history.id = operation.id >> 12 << 12
    JOIN ledger ON ledger.sequence = operation.id >> 32"""
_ACCOUNT = "operation.id IN (SELECT id FROM operation_account WHERE account = ?)"
_BALANCE = "operation.id IN (SELECT id FROM operation_balance WHERE balance = ?)"
_WITHIN = "operation.id BETWEEN ? AND ?"
_PAYMENTS = (f"operation.type IN ({', '.join(map(str, sorted(PAYMENT_TYPES)))})", ())
_NAMES = {kind.value: kind.name.lower() for kind in xdr.OperationType}


def operation_record(_node: Node, row: Any, base: str) -> dict[str, Any]:
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
        "type": _NAMES[row["type"]],
        "type_i": row["type"],
        "created_at": moment(row["closed_at"]),
        "transaction_hash": row["hash"],
        **json.loads(row["fields"]),
    }


def _joined_record(node: Node, row: Any, base: str) -> dict[str, Any]:
    whole_row = find_transaction(node, row["hash"])
    return {**operation_record(node, row, base), "transaction": transaction_record(node, whole_row, base)}


_KEY = number_key("operation.id")
_OPERATIONS = Collection(_SELECT, _KEY, operation_record)
_JOINED = Collection(_SELECT, _KEY, _joined_record)


async def operations(request: Request) -> Response:
    return await _respond(request)


async def account_operations(request: Request) -> Response:
    return await _respond(request, (_ACCOUNT, [known_account(request)]))


async def ledger_operations(request: Request) -> Response:
    return await _respond(request, (_WITHIN, ledger_range(known_ledger(request))))


async def balance_operations(request: Request) -> Response:
    return await _respond(request, (_BALANCE, [known_balance(request)]))


async def transaction_operations(request: Request) -> Response:
    return await _respond(request, (_WITHIN, transaction_range(request)), failed=True)


async def payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS)


async def account_payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS, (_ACCOUNT, [known_account(request)]))


async def ledger_payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS, (_WITHIN, ledger_range(known_ledger(request))))


async def transaction_payments(request: Request) -> Response:
    return await _respond(request, _PAYMENTS, (_WITHIN, transaction_range(request)), failed=True)


async def operation(request: Request) -> Response:
    node = node_of(request)
    row = node.db.execute(f"{_SELECT} WHERE operation.id = ?", [operation_in_address(request)]).fetchone()
    if row is None:
        raise Problem("not_found")
    render = _joined_record if _join(request) else operation_record
    return answer(render(node, row, origin(request)))


def operation_in_address(request: Request) -> int:
    try:
        return whole(request.path_params["operation"])
    except ValueError:
        raise bad_field("id", "an operation is named by its number") from None


def transaction_range(request: Request) -> tuple[int, int]:
    """The first and the last operation id of the transaction in the address."""
    row = find_transaction(node_of(request), hash_in_address(request))
    if row is None:
        raise Problem("not_found")
    return row["id"], row["id"] + (1 << 12) - 1


async def _respond(request: Request, *where: Condition, failed: bool = False) -> Response:
    """`failed`: of one transaction all operations are shown, whether it failed or not."""
    shown = failed or truth(request, "include_failed")
    hidden = [] if shown else [("operation.successful = 1", ())]
    return await (_JOINED if _join(request) else _OPERATIONS).respond(request, *where, *hidden)


def _join(request: Request) -> bool:
    join = request.query_params.get("join")
    if join not in (None, "", "transactions"):
        raise bad_field("join", 'only "transactions" can be joined')
    return bool(join)
