"""The whole check of an envelope without applying it: what a node answers to a submission (RULES 10)."""

from __future__ import annotations

from stellar_sdk.xdr import TransactionResultCode

from .entries import MAX
from .envelope import Envelope, Operation
from .holdings import available_lumens
from .operations import Level, kind_of
from .refusal import OperationRefused, Refused
from .results import (
    outer_result,
    refused_result,
    transaction_result,
    unjudged_result,
)
from .rules import Rules
from .signatures import SignatureCheck
from .state import LedgerState
from .validity import Moment, Reached, check_signature, judge, min_fee

Code = TransactionResultCode


def error_of(
    state: LedgerState, envelope: Envelope, moment: Moment, rules: Rules, sequence: int | None = None
) -> bytes | None:
    """The TransactionResult's XDR that says what is wrong with an envelope, or None.

    `sequence` is the number to go on from where transactions of its source wait already.
    """
    fee = min_fee(state.header, envelope.operations_charged)
    if envelope.fee_bump is not None:
        refused = _error_of_bump(state, envelope, fee)
        if refused is not None:
            return refused
    code, operations = _judge(state, envelope, moment, sequence)
    if code is Code.txSUCCESS:
        return None
    return transaction_result(envelope, rules, fee, code, operations)


def _error_of_bump(state: LedgerState, envelope: Envelope, fee: int) -> bytes | None:
    """What is wrong with the outside of a fee bump."""
    bump, inner = envelope.fee_bump, envelope.transaction
    if bump is None:
        return None
    if bump.fee < fee:
        return outer_result(fee, Code.txINSUFFICIENT_FEE)
    inner_fee = min_fee(state.header, len(inner.operations))
    if bump.fee * inner_fee < inner.fee * fee:
        needed = -(-inner.fee * fee // inner_fee)
        return outer_result(min(needed, MAX), Code.txINSUFFICIENT_FEE)
    payer = state.account(bump.source)
    if payer is None:
        return outer_result(fee, Code.txNO_ACCOUNT)
    signatures = SignatureCheck(bump)
    if not signatures.account_allows(payer, payer.thresholds[Level.LOW]):
        return outer_result(fee, Code.txBAD_AUTH)
    if available_lumens(state.header, payer) < bump.fee:
        return outer_result(fee, Code.txINSUFFICIENT_BALANCE)
    if not signatures.all_used():
        return outer_result(fee, Code.txBAD_AUTH_EXTRA)
    return None


def _judge(state: LedgerState, envelope: Envelope, moment: Moment, sequence: int | None) -> tuple[Code, list[bytes]]:
    transaction = envelope.transaction
    signatures = SignatureCheck(transaction)
    bid = transaction.fee if envelope.fee_bump is None else None
    verdict = judge(state, transaction, signatures, moment, fee_to_pay=bid, fee_bid=bid, sequence=sequence)
    if verdict.reached is not Reached.OPERATIONS:
        return verdict.code, []
    results = [unjudged_result(operation) for operation in transaction.operations]
    for index, operation in enumerate(transaction.operations):
        try:
            _check(state, operation, signatures)
        except (Refused, OperationRefused) as refusal:
            results[index] = refused_result(operation, refusal)
            return Code.txFAILED, results
    return (Code.txSUCCESS if signatures.all_used() else Code.txBAD_AUTH_EXTRA), []


def _check(state: LedgerState, operation: Operation, signatures: SignatureCheck) -> None:
    check_signature(state, operation, signatures)
    kind = kind_of(operation)
    if kind is not None:
        kind.check(operation)
