"""Submitting transactions: with the answer of the ledger that takes them, or with that of the queue."""

from __future__ import annotations

import base64
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import xdr

from ..engine import Envelope, Undecodable
from ..view import View
from .answer import answer, origin
from .codes import result_codes
from .collection import view_of
from .form import read_field
from .problem import Problem
from .transactions import find_transaction, transaction_record

_HTTP_STATUS = {"PENDING": 201, "DUPLICATE": 409, "TRY_AGAIN_LATER": 503, "ERROR": 400}


async def post_transaction(request: Request) -> Response:
    """Answers once the transaction is in a ledger. Sent again, it gets the answer it had."""
    view = view_of(request)
    envelope = await _read_envelope(request, view)
    row = await include(view, envelope, request.app.state.submit_seconds)
    inner = row["hash"] != envelope.hash.hex()
    if not row["successful"]:
        raise transaction_failed(base64.b64encode(row["envelope"]).decode(), row["result"], inner)
    return answer(transaction_record(view, row, origin(request), inner))


async def post_transaction_async(request: Request) -> Response:
    """Answers what the queue says: PENDING, DUPLICATE, TRY_AGAIN_LATER or ERROR."""
    view = view_of(request)
    envelope = await _read_envelope(request, view)
    admission = view.submit(envelope)
    document = {"tx_status": admission.status, "hash": envelope.hash.hex()}
    if admission.result:
        document["error_result_xdr"] = base64.b64encode(admission.result).decode()
    return answer(document, _HTTP_STATUS[admission.status])


async def include(view: View, envelope: Envelope, seconds: float) -> Any:
    """The history row of a transaction once it is in a ledger, be it submitted just now or before.

    Raises the Problem that Horizon would answer: refused by the queue, or in no ledger in time.
    """
    name = envelope.hash.hex()
    row = find_transaction(view, name)
    if row is not None:
        return row
    admission = view.submit(envelope)
    refused = admission.result if admission.status == "ERROR" else None
    ends = time.monotonic() + seconds
    while row is None:
        if refused and not (_is_bad_sequence(refused) and _may_yet_be_seen(view, envelope)):
            raise transaction_failed(envelope.base64, refused)
        if not await view.next_close(ends - time.monotonic()):
            extras = {"hash": name, "envelope_xdr": envelope.base64}
            raise Problem("transaction_submission_timeout", extras)
        row = find_transaction(view, name)
    return row


def _is_bad_sequence(result: bytes) -> bool:
    return xdr.TransactionResult.from_xdr_bytes(result).result.code is xdr.TransactionResultCode.txBAD_SEQ


def _may_yet_be_seen(view: View, envelope: Envelope) -> bool:
    """A late view does not know whether the number was used by this very transaction until it has come that far."""
    account = view.state.account(envelope.source)
    used = account.sequence if account else 0
    return view.header.ledger_seq < view.node.header.ledger_seq and used < envelope.sequence


def transaction_failed(envelope: str, result: bytes, inner: bool = False) -> Problem:
    decoded = xdr.TransactionResult.from_xdr_bytes(result)
    extras = {
        "envelope_xdr": envelope,
        "result_xdr": base64.b64encode(result).decode(),
        "result_codes": result_codes(decoded, as_inner=inner),
    }
    return Problem("transaction_failed", extras)


async def _read_envelope(request: Request, view: View) -> Envelope:
    text = await read_field(request, "tx")
    try:
        return Envelope.decode(text, view.network_id)
    except Undecodable:
        raise Problem("transaction_malformed", {"envelope_xdr": text}) from None
