"""CreateAccount: a new account, paid for by the source."""

from __future__ import annotations

from stellar_sdk.xdr import CreateAccountResultCode as Code

from ..assets import account_from_xdr
from ..entries import Account
from ..envelope import Operation
from ..holdings import move_lumens
from ..refusal import Refused
from ..step import Step


def check(operation: Operation) -> None:
    body = operation.body
    if body.starting_balance.int64 < 0 or account_from_xdr(body.destination) == operation.source:
        raise Refused(Code.CREATE_ACCOUNT_MALFORMED)


def apply(step: Step) -> bytes:
    destination = account_from_xdr(step.body.destination)
    balance = step.body.starting_balance.int64
    if step.state.account(destination) is not None:
        raise Refused(Code.CREATE_ACCOUNT_ALREADY_EXIST)
    if balance < 2 * step.header.base_reserve:
        raise Refused(Code.CREATE_ACCOUNT_LOW_RESERVE)
    if not move_lumens(step.state, step.source_account(), -balance):
        raise Refused(Code.CREATE_ACCOUNT_UNDERFUNDED)
    step.state.put(Account(destination, balance, starting_sequence(step.header.ledger_seq)))
    return b""


def starting_sequence(ledger_seq: int) -> int:
    """A new account's sequence number; no account's number may be this ledger's one."""
    return ledger_seq << 32
