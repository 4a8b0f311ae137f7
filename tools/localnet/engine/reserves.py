"""The reserve that an account keeps for what the ledger stores for it (RULES 1)."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

from stellar_sdk import xdr

from .entries import Account
from .holdings import available_lumens
from .refusal import Inconsistent, OperationRefused, Refused
from .state import LedgerState

MAX_SUBENTRIES = 1000


def claim_subentry(state: LedgerState, account: str, low_reserve: IntEnum) -> None:
    """Count one more sub-entry; refused with `low_reserve` where the account cannot keep its reserve."""
    held = owner(state, account)
    if held.subentries >= MAX_SUBENTRIES:
        raise OperationRefused(xdr.OperationResultCode.opTOO_MANY_SUBENTRIES)
    if available_lumens(state.header, held) < state.header.base_reserve:
        raise Refused(low_reserve)
    state.put(replace(held, subentries=held.subentries + 1))


def release_subentry(state: LedgerState, account: str) -> None:
    held = owner(state, account)
    state.put(replace(held, subentries=held.subentries - 1))


def owner(state: LedgerState, account: str) -> Account:
    held = state.account(account)
    if held is None:
        raise Inconsistent(f"{account} is not in the ledger although it owns something there.")
    return held
