"""Closing a ledger: fees of all transactions first, then each transaction in turn (RULES 11).

`close` computes; it leaves the state as it found it and returns what to commit. Inside, every transaction and
every operation runs after a savepoint of its own, so that each either happens whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stellar_sdk.xdr import OperationResultCode, TransactionResultCode

from .entries import NO_CHANGES, Changes, Header
from .envelope import Envelope, Transaction
from .operations import kind_of
from .refusal import Inconsistent, OperationRefused, Refused
from .results import (
    operation_result,
    refused_result,
    transaction_result,
    unjudged_result,
)
from .rows import row_of
from .rules import TODAY, Rules
from .signatures import SignatureCheck
from .signers import Type, signer_parts
from .state import LedgerState
from .step import Step
from .validity import Moment, Reached, check_signature, judge

Code = TransactionResultCode


@dataclass(frozen=True, slots=True)
class AppliedOperation:
    """`result` is the OperationResult's XDR; a failed transaction's operations have no changes."""

    result: bytes
    changes: Changes = NO_CHANGES


@dataclass(frozen=True, slots=True)
class Applied:
    """`result` is the TransactionResult's XDR."""

    envelope: Envelope
    result: bytes
    successful: bool
    fee_charged: int
    fee_changes: Changes
    sequence_changes: Changes
    operations: tuple[AppliedOperation, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """`changes` are the whole ledger's, header included: hand them to `State.commit`."""

    header: Header
    transactions: tuple[Applied, ...]
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Outcome:
    code: Code
    sequence_changes: Changes
    operations: tuple[AppliedOperation, ...] = ()


def close(
    state: LedgerState,
    envelopes: Sequence[Envelope],
    close_time: int,
    rules: Rules = TODAY,
    price: int | None = None,
    max_tx_set_size: int | None = None,
) -> Closed:
    """Apply envelopes in the order given on top of the state, which stays as it is.

    price: stroops for an operation where room was scarce, None for the header's base fee. max_tx_set_size: how
    many operations a ledger holds from the next one on, None for as many as now.
    """
    start = state.savepoint()
    try:
        last = state.header
        opened = replace(last, ledger_seq=last.ledger_seq + 1, close_time=close_time, previous_hash=last.hash, hash=b"")
        state.put(opened)
        cost = last.base_fee if price is None else price
        fees = [_charge(state, envelope, cost) for envelope in envelopes]
        state.put(replace(opened, fee_pool=opened.fee_pool + sum(fee for fee, _ in fees)))
        last_sequences: dict[str, int] = {}
        for one in envelopes:
            last_sequences[one.source] = max(one.sequence, last_sequences.get(one.source, 0))
        applied = tuple(
            _apply(state, envelope, fee, fee_changes, last_sequences, rules, cost)
            for envelope, (fee, fee_changes) in zip(envelopes, fees, strict=True)
        )
        size = last.max_tx_set_size if max_tx_set_size is None else max_tx_set_size
        header = replace(state.header, max_tx_set_size=size)
        header = replace(header, hash=_hash(header, applied))
        state.put(header)
        return Closed(header, applied, state.changes_since(start))
    finally:
        state.rollback(start)


def _hash(header: Header, applied: Sequence[Applied]) -> bytes:
    """A name for this ledger, bound to its predecessor and to all it did. Not the hash stellar-core gives."""
    digest = hashlib.sha256(row_of(header).encode())
    for one in applied:
        digest.update(one.envelope.hash + one.result)
    return digest.digest()


def _charge(state: LedgerState, envelope: Envelope, price: int) -> tuple[int, Changes]:
    """Take the fee: the price of the ledger, at most the bid; an account that has less pays what it has."""
    payer = state.account(envelope.fee_source)
    if payer is None:
        return 0, NO_CHANGES
    before = state.savepoint()
    fee = min(envelope.fee_bid, price * max(1, envelope.operations_charged), payer.balance)
    state.put(replace(payer, balance=payer.balance - fee))
    return fee, state.changes_since(before)


def _apply(
    state: LedgerState,
    envelope: Envelope,
    fee: int,
    fee_changes: Changes,
    last_sequences: Mapping[str, int],
    rules: Rules,
    price: int,
) -> Applied:
    outcome = _run(state, envelope, last_sequences)
    inner_fee = min(envelope.transaction.fee, price * max(1, len(envelope.transaction.operations)))
    results = [one.result for one in outcome.operations]
    return Applied(
        envelope=envelope,
        result=transaction_result(envelope, rules, fee, outcome.code, results, inner_fee),
        successful=outcome.code is Code.txSUCCESS,
        fee_charged=fee,
        fee_changes=fee_changes,
        sequence_changes=outcome.sequence_changes,
        operations=outcome.operations,
    )


def _run(state: LedgerState, envelope: Envelope, last_sequences: Mapping[str, int]) -> _Outcome:
    """One transaction after its fee was taken."""
    transaction, header = envelope.transaction, state.header
    before = state.savepoint()
    if envelope.fee_bump is not None:
        _use_up_signers(state, envelope.fee_bump.hash, {envelope.fee_bump.source})
    signatures = SignatureCheck(transaction)
    pays = envelope.fee_bump is None
    verdict = judge(
        state,
        transaction,
        signatures,
        Moment(header.ledger_seq, header.close_time, header.close_time),
        fee_to_pay=0 if pays else None,
        fee_bid=transaction.fee if pays else None,
    )
    if verdict.reached >= Reached.SEQUENCE:
        _use_sequence(state, transaction)
    code, results = verdict.code, []
    if verdict.reached is Reached.OPERATIONS:
        results = _check_signatures(state, transaction, signatures)
        if any(result is not None for result in results):
            code = Code.txFAILED
        elif not signatures.all_used():
            code = Code.txBAD_AUTH_EXTRA
    if verdict.reached >= Reached.SIGNATURES:
        sources = {transaction.source, *(operation.source for operation in transaction.operations)}
        _use_up_signers(state, transaction.hash, sources)
    changes = state.changes_since(before)
    if code is Code.txFAILED:
        judged = zip(transaction.operations, results, strict=True)
        operations = (AppliedOperation(result or unjudged_result(one)) for one, result in judged)
        return _Outcome(code, changes, tuple(operations))
    if code is not Code.txSUCCESS:
        return _Outcome(code, changes)
    return _run_operations(state, transaction, changes, last_sequences)


def _use_sequence(state: LedgerState, transaction: Transaction) -> None:
    account = state.account(transaction.source)
    if account is not None:
        header = state.header
        state.put(
            replace(
                account,
                sequence=transaction.sequence,
                sequence_ledger=header.ledger_seq,
                sequence_time=header.close_time,
            )
        )


def _check_signatures(state: LedgerState, transaction: Transaction, signatures: SignatureCheck) -> list[bytes | None]:
    """The result of each operation that is refused for want of signatures, None for the others."""
    results: list[bytes | None] = []
    for operation in transaction.operations:
        try:
            check_signature(state, operation, signatures)
        except OperationRefused as refusal:
            results.append(refused_result(operation, refusal))
        else:
            results.append(None)
    return results


def _use_up_signers(state: LedgerState, transaction_hash: bytes, accounts: set[str]) -> None:
    """A pre-authorised transaction's signer serves once, whatever becomes of the transaction."""
    for name in sorted(accounts):
        account = state.account(name)
        if account is None or not account.signers:
            continue
        kept = tuple(
            one
            for one in account.signers
            if signer_parts(one.key)[:2] != (Type.SIGNER_KEY_TYPE_PRE_AUTH_TX, transaction_hash)
        )
        gone = len(account.signers) - len(kept)
        if gone:
            state.put(replace(account, signers=kept, subentries=account.subentries - gone))


def _run_operations(
    state: LedgerState, transaction: Transaction, sequence_changes: Changes, last_sequences: Mapping[str, int]
) -> _Outcome:
    """All operations run, also after one has failed; then they stay together or go together."""
    before = state.savepoint()
    operations: list[AppliedOperation] = []
    successful = True
    for index, operation in enumerate(transaction.operations):
        step = Step(state, transaction, operation, index, last_sequences)
        here = state.savepoint()
        try:
            result = _run_operation(step)
        except Inconsistent:
            state.rollback(before)
            return _Outcome(Code.txINTERNAL_ERROR, sequence_changes)
        except (Refused, OperationRefused) as refusal:
            state.rollback(here)
            successful = False
            result = refused_result(operation, refusal)
        operations.append(AppliedOperation(result, state.changes_since(here)))
    if successful:
        return _Outcome(Code.txSUCCESS, sequence_changes, tuple(operations))
    state.rollback(before)
    undone = tuple(AppliedOperation(one.result) for one in operations)
    return _Outcome(Code.txFAILED, sequence_changes, undone)


def _run_operation(step: Step) -> bytes:
    operation = step.operation
    kind = kind_of(operation)
    if kind is None:
        raise OperationRefused(OperationResultCode.opNOT_SUPPORTED)
    if step.state.account(operation.source) is None:
        raise OperationRefused(OperationResultCode.opNO_ACCOUNT)
    kind.check(operation)
    return operation_result(operation, 0, kind.apply(step))
