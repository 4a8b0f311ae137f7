"""Every operation that localnet knows: who must sign it, when it is malformed, what it does (RULES 7, 8).

`check` judges an operation by itself and `apply` does it on the state; both say no by raising `Refused`.
`apply` returns what its successful result carries beyond the code, as XDR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from struct import pack
from typing import Any

from stellar_sdk.xdr import OperationType

from ..envelope import Operation
from ..packing import INT64
from ..step import Step
from . import (
    account_merge,
    bump_sequence,
    change_trust,
    claimable_balance,
    clawback,
    create_account,
    manage_data,
    manage_offer,
    payment,
    set_options,
    trust_flags,
)


class Level(IntEnum):
    """Which of an account's thresholds: the index into `Account.thresholds`."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


def _nothing(operation: Operation) -> None:
    """For operations that cannot be malformed."""


def _always(operation: Operation) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    level: Level
    check: Callable[[Operation], None]
    apply: Callable[[Step], bytes]
    unjudged: bytes = b""
    """What the result carries where a transaction was refused before this operation was judged."""
    supported: Callable[[Operation], bool] = _always


KINDS: dict[OperationType, Kind] = {
    OperationType.CREATE_ACCOUNT: Kind(Level.MEDIUM, create_account.check, create_account.apply),
    OperationType.PAYMENT: Kind(Level.MEDIUM, payment.check_payment, payment.apply_payment),
    OperationType.PATH_PAYMENT_STRICT_RECEIVE: Kind(
        Level.MEDIUM, payment.check_strict_receive, payment.apply_strict_receive, payment.NOTHING_PAID
    ),
    OperationType.PATH_PAYMENT_STRICT_SEND: Kind(
        Level.MEDIUM, payment.check_strict_send, payment.apply_strict_send, payment.NOTHING_PAID
    ),
    OperationType.MANAGE_SELL_OFFER: Kind(
        Level.MEDIUM, manage_offer.check_sell, manage_offer.apply_sell, manage_offer.NOTHING_OFFERED
    ),
    OperationType.MANAGE_BUY_OFFER: Kind(
        Level.MEDIUM, manage_offer.check_buy, manage_offer.apply_buy, manage_offer.NOTHING_OFFERED
    ),
    OperationType.CREATE_PASSIVE_SELL_OFFER: Kind(
        Level.MEDIUM, manage_offer.check_passive, manage_offer.apply_passive, manage_offer.NOTHING_OFFERED
    ),
    OperationType.SET_OPTIONS: Kind(Level.MEDIUM, set_options.check, set_options.apply),
    OperationType.CHANGE_TRUST: Kind(
        Level.MEDIUM, change_trust.check, change_trust.apply, supported=change_trust.supported
    ),
    OperationType.ALLOW_TRUST: Kind(Level.LOW, trust_flags.check_allow_trust, trust_flags.apply_allow_trust),
    OperationType.SET_TRUST_LINE_FLAGS: Kind(Level.LOW, trust_flags.check_set_flags, trust_flags.apply_set_flags),
    OperationType.ACCOUNT_MERGE: Kind(Level.HIGH, account_merge.check, account_merge.apply, INT64(0)),
    OperationType.MANAGE_DATA: Kind(Level.MEDIUM, manage_data.check, manage_data.apply),
    OperationType.BUMP_SEQUENCE: Kind(Level.LOW, bump_sequence.check, bump_sequence.apply),
    OperationType.CREATE_CLAIMABLE_BALANCE: Kind(
        Level.MEDIUM,
        claimable_balance.check_create,
        claimable_balance.apply_create,
        claimable_balance.NOTHING_CREATED,
    ),
    OperationType.CLAIM_CLAIMABLE_BALANCE: Kind(Level.LOW, _nothing, claimable_balance.apply_claim),
    OperationType.CLAWBACK: Kind(Level.MEDIUM, clawback.check, clawback.apply),
    OperationType.CLAWBACK_CLAIMABLE_BALANCE: Kind(Level.MEDIUM, _nothing, clawback.apply_balance),
}

_RESULT_TYPES = {OperationType.CREATE_PASSIVE_SELL_OFFER: OperationType.MANAGE_SELL_OFFER}
"""A passive offer's result is told as a sell offer's: a quirk of the real ledger, on every network."""

_UNSUPPORTED_UNJUDGED = {
    OperationType.INFLATION: pack(">I", 0),
    OperationType.INVOKE_HOST_FUNCTION: bytes(32),
}


def kind_of(operation: Operation) -> Kind | None:
    """None for operations that localnet does not claim."""
    kind = KINDS.get(operation.type)
    return kind if kind is not None and kind.supported(operation) else None


def level_of(operation: Operation) -> Level:
    if operation.type is OperationType.SET_OPTIONS and _touches_signing(operation.body):
        return Level.HIGH
    return KINDS[operation.type].level


def _touches_signing(body: Any) -> bool:
    fields = (body.master_weight, body.low_threshold, body.med_threshold, body.high_threshold, body.signer)
    return any(field is not None for field in fields)


def result_type(operation: Operation) -> OperationType:
    return _RESULT_TYPES.get(operation.type, operation.type)


def unjudged(operation: Operation) -> bytes:
    kind = KINDS.get(operation.type)
    return kind.unjudged if kind is not None else _UNSUPPORTED_UNJUDGED.get(operation.type, b"")
