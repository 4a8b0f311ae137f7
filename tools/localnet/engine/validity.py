"""Whether a transaction as a whole is valid: asked at admission and again when it is applied (RULES 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto

from stellar_sdk.xdr import OperationResultCode, TransactionResultCode

from .entries import MAX, Account, Header, Signer
from .envelope import Operation, Preconditions, Transaction
from .holdings import available_lumens
from .operations import Level, kind_of, level_of
from .operations.create_account import starting_sequence
from .refusal import OperationRefused
from .signatures import SignatureCheck
from .signers import is_empty_payload, signer_text
from .state import LedgerState

Code = TransactionResultCode


class Reached(IntEnum):
    """How far a transaction came: it decides what it leaves behind although it fails."""

    NOTHING = auto()
    """Not even its sequence number is used."""
    SEQUENCE = auto()
    """Its sequence number is used."""
    SIGNATURES = auto()
    """Its one-time signers are used up as well."""
    OPERATIONS = auto()


@dataclass(frozen=True, slots=True)
class Validity:
    reached: Reached
    code: Code


@dataclass(frozen=True, slots=True)
class Moment:
    """The ledger that a transaction is judged for. At admission its close time is a guess within bounds."""

    ledger_seq: int
    earliest: int
    latest: int


def min_fee(header: Header, operations: int) -> int:
    return header.base_fee * max(1, operations)


def judge(
    state: LedgerState,
    transaction: Transaction,
    signatures: SignatureCheck,
    moment: Moment,
    *,
    fee_to_pay: int | None,
    fee_bid: int | None,
    sequence: int | None = None,
) -> Validity:
    """Everything up to the operations.

    `fee_bid` None where somebody else pays (the inside of a fee bump): then neither bid nor balance are
    looked at. `fee_to_pay` is what must be available: the bid at admission, 0 once it is taken. `sequence` is
    the number to go on from where transactions of the account wait already.
    """
    code = _before_sequence(state, transaction, moment, fee_bid)
    if code is not None:
        return Validity(Reached.NOTHING, code)
    account = state.account(transaction.source)
    if account is None:
        return Validity(Reached.NOTHING, Code.txNO_ACCOUNT)
    if not _sequence_fits(transaction, account.sequence if sequence is None else sequence, moment):
        return Validity(Reached.NOTHING, Code.txBAD_SEQ)
    if not _old_enough(transaction.preconditions, account, moment):
        return Validity(Reached.SEQUENCE, Code.txBAD_MIN_SEQ_AGE_OR_GAP)
    if not _signed(transaction, account, signatures):
        return Validity(Reached.SEQUENCE, Code.txBAD_AUTH)
    if fee_to_pay is not None and available_lumens(state.header, account) < fee_to_pay:
        return Validity(Reached.SIGNATURES, Code.txINSUFFICIENT_BALANCE)
    return Validity(Reached.OPERATIONS, Code.txSUCCESS)


def _before_sequence(state: LedgerState, transaction: Transaction, moment: Moment, fee_bid: int | None) -> Code | None:
    if transaction.extension and all(kind_of(one) for one in transaction.operations):
        return Code.txMALFORMED  # an extension announces a smart contract, and there is none
    extra = transaction.preconditions.extra_signers
    if len(extra) != len({one.to_xdr_bytes() for one in extra}) or any(map(is_empty_payload, extra)):
        return Code.txMALFORMED
    if not transaction.operations:
        return Code.txMISSING_OPERATION
    bounds = transaction.preconditions
    if bounds.min_time > moment.earliest or bounds.min_ledger > moment.ledger_seq:
        return Code.txTOO_EARLY
    if bounds.max_time and bounds.max_time < moment.latest:
        return Code.txTOO_LATE
    if bounds.max_ledger and bounds.max_ledger <= moment.ledger_seq:
        return Code.txTOO_LATE
    if fee_bid is not None and fee_bid < min_fee(state.header, len(transaction.operations)):
        return Code.txINSUFFICIENT_FEE
    return None


def _sequence_fits(transaction: Transaction, current: int, moment: Moment) -> bool:
    if transaction.sequence == starting_sequence(moment.ledger_seq):
        return False
    least = transaction.preconditions.min_sequence
    if least is not None:
        return least <= current < transaction.sequence
    return current != MAX and transaction.sequence == current + 1


def _old_enough(bounds: Preconditions, account: Account, moment: Moment) -> bool:
    in_time = bounds.min_sequence_age <= moment.earliest - account.sequence_time
    in_ledgers = bounds.min_sequence_gap <= moment.ledger_seq - account.sequence_ledger
    return in_time and in_ledgers


def _signed(transaction: Transaction, account: Account, signatures: SignatureCheck) -> bool:
    if not signatures.account_allows(account, account.thresholds[Level.LOW]):
        return False
    extra = transaction.preconditions.extra_signers
    return not extra or signatures.allows([Signer(signer_text(key), 1) for key in extra], len(extra))


def check_signature(state: LedgerState, operation: Operation, signatures: SignatureCheck) -> None:
    """Raise OperationRefused unless the operation's source has signed at the operation's level."""
    if kind_of(operation) is None:
        raise OperationRefused(OperationResultCode.opNOT_SUPPORTED)
    account = state.account(operation.source)
    if account is not None:
        signed = signatures.account_allows(account, account.thresholds[level_of(operation)])
    elif operation.own_source:
        # The account may be created by an operation before this one: its own key must have signed.
        signed = signatures.allows([Signer(operation.source, 1)], 1)
    else:
        raise OperationRefused(OperationResultCode.opNO_ACCOUNT)
    if not signed:
        raise OperationRefused(OperationResultCode.opBAD_AUTH)
