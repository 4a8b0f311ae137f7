"""What a transaction's results look like on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import pack

from stellar_sdk.xdr import OperationResultCode, TransactionResultCode

from .envelope import Envelope, Operation
from .operations import result_type, unjudged
from .refusal import OperationRefused, Refused
from .rules import Rules

Code = TransactionResultCode
_WITH_OPERATIONS = (Code.txSUCCESS, Code.txFAILED)
_NO_EXTENSION = pack(">i", 0)


def operation_result(operation: Operation, code: IntEnum | int, payload: bytes = b"") -> bytes:
    return pack(">iii", OperationResultCode.opINNER, result_type(operation), code) + payload


def unjudged_result(operation: Operation) -> bytes:
    """The success that stands for an operation that was never reached."""
    return operation_result(operation, 0, unjudged(operation))


def refused_result(operation: Operation, refusal: Refused | OperationRefused) -> bytes:
    if isinstance(refusal, OperationRefused):
        return pack(">i", refusal.code)
    return operation_result(operation, refusal.code)


def transaction_result(
    envelope: Envelope,
    rules: Rules,
    fee: int,
    code: Code,
    operations: Sequence[bytes] = (),
    inner_fee: int = 0,
) -> bytes:
    """The TransactionResult of what became of a transaction; a fee bump's holds its inner one's."""
    if envelope.fee_bump is None:
        return _result(fee, code, operations)
    outer = Code.txFEE_BUMP_INNER_SUCCESS if code is Code.txSUCCESS else Code.txFEE_BUMP_INNER_FAILED
    inner = _result(0 if rules.inner_fee_is_zero else inner_fee, code, operations)
    return pack(">qi", fee, outer) + envelope.transaction.hash + inner + _NO_EXTENSION


def outer_result(fee: int, code: Code) -> bytes:
    """The result of a fee bump that was refused before its inner transaction was looked at."""
    return _result(fee, code, ())


def _result(fee: int, code: Code, operations: Sequence[bytes]) -> bytes:
    results = b""
    if code in _WITH_OPERATIONS:
        results = pack(">I", len(operations)) + b"".join(operations)
    return pack(">qi", fee, code) + results + _NO_EXTENSION
