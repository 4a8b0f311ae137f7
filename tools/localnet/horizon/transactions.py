"""Transactions in closed ledgers."""

from __future__ import annotations

import base64
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import xdr

from ..view import View
from .address import muxed_fields
from .answer import answer, link, origin
from .collection import Collection, Condition, truth, view_of
from .details import signer_text
from .ledgers import known_ledger, ledger_range
from .moment import moment
from .page import number_key
from .party import known_account, known_balance
from .problem import Problem, bad_field
from .signed import signed_part, source_of

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_SELECT = "SELECT history.*, ledger.closed_at FROM history JOIN ledger ON ledger.sequence = history.ledger"
# Driven by the account's own index (a CROSS JOIN keeps its order), so that a page costs the same however long
# the account's history is.
_SELECT_OF_ACCOUNT = (
    "SELECT history.*, ledger.closed_at FROM history_account AS taken CROSS JOIN history ON history.id = taken.id "
    "JOIN ledger ON ledger.sequence = history.ledger"
)
_BALANCE = "history.id IN (SELECT id >> 12 << 12 FROM operation_balance WHERE balance = ?)"


def transaction_record(_view: View, row: Any, base: str, inner: bool = False) -> dict[str, Any]:
    """One transaction. `inner`: looked up by the hash inside a fee bump, which it then goes by."""
    envelope = xdr.TransactionEnvelope.from_xdr_bytes(row["readable"] or row["envelope"])
    bump, signed = envelope.fee_bump, signed_part(envelope)
    tx, source = signed.tx, muxed_fields("account", source_of(signed.tx))
    name = row["inner_hash"] if inner else row["hash"]
    token = str(row["id"])
    return {
        "_links": _links(base, name, row["ledger"], token, source["account"]),
        "id": name,
        "paging_token": token,
        "successful": bool(row["successful"]),
        "hash": name,
        "ledger": row["ledger"],
        "created_at": moment(row["closed_at"]),
        "source_account": source.pop("account"),
        **source,
        "source_account_sequence": str(tx.seq_num.sequence_number.int64),
        **muxed_fields("fee_account", bump.tx.fee_source if bump else source_of(tx)),
        "fee_charged": str(row["fee_charged"]),
        "max_fee": str(row["fee_bid"]),
        "operation_count": row["operations"],
        "envelope_xdr": base64.b64encode(row["envelope"]).decode(),
        "result_xdr": base64.b64encode(row["result"]).decode(),
        "fee_meta_xdr": base64.b64encode(row["fee_meta"]).decode(),
        **_memo_fields(tx.memo),
        "signatures": _signatures(bump or signed),
        **_preconditions(tx),
        **(_fee_bump_fields(row, bump, signed) if bump else {}),
    }


def _links(base: str, name: str, ledger: int, token: str, account: str) -> dict[str, Any]:
    path = f"/transactions/{name}"
    return {
        "self": link(base, path),
        "account": link(base, f"/accounts/{account}"),
        "ledger": link(base, f"/ledgers/{ledger}"),
        "operations": link(base, f"{path}/operations", True),
        "effects": link(base, f"{path}/effects", True),
        "precedes": link(base, f"/transactions?order=asc&cursor={token}"),
        "succeeds": link(base, f"/transactions?order=desc&cursor={token}"),
        "transaction": link(base, path),
    }


def _signatures(signed: Any) -> list[str]:
    return [base64.b64encode(one.signature.signature).decode() for one in signed.signatures]


def _memo_fields(memo: xdr.Memo) -> dict[str, str]:
    """`memo_type` and `memo`: text as it is, ids in decimal, hashes in base64."""
    if memo.text is not None:
        raw = base64.b64encode(memo.text).decode()
        return {"memo_type": "text", "memo": memo.text.decode("utf-8", "replace"), "memo_bytes": raw}
    if memo.id is not None:
        return {"memo_type": "id", "memo": str(memo.id.uint64)}
    if memo.hash is not None:
        return {"memo_type": "hash", "memo": base64.b64encode(memo.hash.hash).decode()}
    if memo.ret_hash is not None:
        return {"memo_type": "return", "memo": base64.b64encode(memo.ret_hash.hash).decode()}
    return {"memo_type": "none"}


def _preconditions(tx: Any) -> dict[str, Any]:
    v2 = None if isinstance(tx, xdr.TransactionV0) else tx.cond.v2
    fields: dict[str, Any] = {}
    if bounds := tx.time_bounds if isinstance(tx, xdr.TransactionV0) else (v2 or tx.cond).time_bounds:
        times = {"min_time": bounds.min_time.time_point.uint64, "max_time": bounds.max_time.time_point.uint64}
        fields["timebounds"] = {name: str(time) for name, time in times.items() if time}
    if v2 and v2.ledger_bounds:
        bounds = {
            "min_ledger": v2.ledger_bounds.min_ledger.uint32,
            "max_ledger": v2.ledger_bounds.max_ledger.uint32,
        }
        fields["ledgerbounds"] = {name: value for name, value in bounds.items() if value or name == "min_ledger"}
    if v2 and v2.min_seq_num:
        fields["min_account_sequence"] = str(v2.min_seq_num.sequence_number.int64)
    if v2 and v2.min_seq_age.duration.uint64:
        fields["min_account_sequence_age"] = str(v2.min_seq_age.duration.uint64)
    if v2 and v2.min_seq_ledger_gap.uint32:
        fields["min_account_sequence_ledger_gap"] = v2.min_seq_ledger_gap.uint32
    if v2 and v2.extra_signers:
        fields["extra_signers"] = [signer_text(key) for key in v2.extra_signers]
    return {"preconditions": fields} if fields else {}


def _fee_bump_fields(row: Any, outer: Any, inner: Any) -> dict[str, Any]:
    return {
        "fee_bump_transaction": {"hash": row["hash"], "signatures": _signatures(outer)},
        "inner_transaction": {
            "hash": row["inner_hash"],
            "signatures": _signatures(inner),
            "max_fee": str(inner.tx.fee.uint32),
        },
    }


_TRANSACTIONS = Collection(_SELECT, number_key("history.id"), transaction_record, history=True)
_OF_ACCOUNT = Collection(_SELECT_OF_ACCOUNT, number_key("taken.id"), transaction_record, history=True)


async def transactions(request: Request) -> Response:
    return await _TRANSACTIONS.respond(request, *successful(request))


async def account_transactions(request: Request) -> Response:
    mine = ("taken.account = ?", [known_account(request)])
    return await _OF_ACCOUNT.respond(request, mine, *successful(request))


async def ledger_transactions(request: Request) -> Response:
    within = ("history.id BETWEEN ? AND ?", ledger_range(known_ledger(request)))
    return await _TRANSACTIONS.respond(request, within, *successful(request))


async def balance_transactions(request: Request) -> Response:
    return await _TRANSACTIONS.respond(request, (_BALANCE, [known_balance(request)]), *successful(request))


async def transaction(request: Request) -> Response:
    name = hash_in_address(request)
    row = find_transaction(view_of(request), name)
    if row is None:
        raise Problem("not_found")
    return answer(transaction_record(view_of(request), row, origin(request), inner=row["hash"] != name))


def find_transaction(view: View, name: str) -> Any:
    """The row of a transaction by its hash, or by that inside its fee bump; None when it is in no ledger."""
    for column in ("hash", "inner_hash"):
        sql = f"{_SELECT} WHERE history.{column} = ? ORDER BY history.id DESC LIMIT 1"
        if row := view.db.execute(sql, [name]).fetchone():
            return row
    return None


def hash_in_address(request: Request) -> str:
    name = str(request.path_params["hash"])
    if not _HASH.match(name):
        raise bad_field("tx_id", "Transaction hash must be a hex-encoded, lowercase SHA-256 hash")
    return name


def successful(request: Request) -> list[Condition]:
    """Failed transactions are shown only when asked for."""
    return [] if truth(request, "include_failed") else [("history.successful = 1", ())]
