"""CreateClaimableBalance and ClaimClaimableBalance: money set aside, for whoever may claim it and when."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from struct import pack

from stellar_sdk import xdr

from ..assets import NATIVE, Asset, account_from_xdr, asset_from_xdr, public_key
from ..entries import (
    AUTH_CLAWBACK_ENABLED,
    CLAWBACK_ENABLED,
    ClaimableBalance,
    Claimant,
)
from ..envelope import Operation
from ..holdings import available_lumens, is_authorized, move_credit, move_lumens
from ..predicates import absolute, holds, is_well_formed
from ..refusal import Refused
from ..reserves import owner
from ..step import Step

Create = xdr.CreateClaimableBalanceResultCode
Claim = xdr.ClaimClaimableBalanceResultCode
V0 = pack(">i", 0)


def check_create(operation: Operation) -> None:
    body = operation.body
    claimants = [claimant.v0 for claimant in body.claimants]
    destinations = {account_from_xdr(claimant.destination) for claimant in claimants}
    well_formed = (
        asset_from_xdr(body.asset).valid
        and body.amount.int64 > 0
        and 0 < len(claimants) == len(destinations)
        and all(is_well_formed(claimant.predicate) for claimant in claimants)
    )
    if not well_formed:
        raise Refused(Create.CREATE_CLAIMABLE_BALANCE_MALFORMED)


def apply_create(step: Step) -> bytes:
    body, state = step.body, step.state
    asset, amount = asset_from_xdr(body.asset), body.amount.int64
    clawback = _take(step, asset, amount)
    account = step.source_account()
    if available_lumens(step.header, account) < len(body.claimants) * step.header.base_reserve:
        raise Refused(Create.CREATE_CLAIMABLE_BALANCE_LOW_RESERVE)
    state.put(replace(account, num_sponsoring=account.num_sponsoring + len(body.claimants)))
    balance_id = claimable_balance_id(step.transaction.source, step.transaction.sequence, step.index)
    now = step.header.close_time
    claimants = tuple(
        Claimant(account_from_xdr(one.v0.destination), absolute(one.v0.predicate, now)) for one in body.claimants
    )
    state.put(ClaimableBalance(balance_id.hex(), asset, amount, claimants, step.source, clawback))
    return V0 + balance_id


def _take(step: Step, asset: Asset, amount: int) -> bool:
    """Take the money from the source; return whether the balance can be clawed back."""
    if asset == NATIVE:
        if not move_lumens(step.state, step.source_account(), -amount):
            raise Refused(Create.CREATE_CLAIMABLE_BALANCE_UNDERFUNDED)
        return False
    if asset.issuer == step.source:
        return bool(step.source_account().flags & AUTH_CLAWBACK_ENABLED)
    line = step.state.trust_line(step.source, asset)
    if line is None:
        raise Refused(Create.CREATE_CLAIMABLE_BALANCE_NO_TRUST)
    if not is_authorized(line):
        raise Refused(Create.CREATE_CLAIMABLE_BALANCE_NOT_AUTHORIZED)
    if not move_credit(step.state, line, -amount):
        raise Refused(Create.CREATE_CLAIMABLE_BALANCE_UNDERFUNDED)
    return bool(line.flags & CLAWBACK_ENABLED)


def claimable_balance_id(source: str, sequence: int, index: int) -> bytes:
    """The 32-byte hash of (transaction's source, its sequence number, operation's index): RULES 1."""
    kind = xdr.EnvelopeType.ENVELOPE_TYPE_OP_ID
    return hashlib.sha256(pack(">ii32sqI", kind, 0, public_key(source), sequence, index)).digest()


NOTHING_CREATED = V0 + bytes(32)
"""The result of a creation that was not judged, in a transaction refused for another reason."""


def apply_claim(step: Step) -> bytes:
    state = step.state
    balance = state.claimable_balance(step.body.balance_id.v0.hash.hex())
    if balance is None:
        raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_DOES_NOT_EXIST)
    mine = (one.predicate for one in balance.claimants if one.destination == step.source)
    if not any(holds(predicate, step.header.close_time) for predicate in mine):
        raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_CANNOT_CLAIM)
    _give(step, balance)
    remove_balance(step, balance)
    return b""


def _give(step: Step, balance: ClaimableBalance) -> None:
    asset = balance.asset
    if asset == NATIVE:
        if not move_lumens(step.state, step.source_account(), balance.amount):
            raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_LINE_FULL)
        return
    if asset.issuer == step.source:
        return
    line = step.state.trust_line(step.source, asset)
    if line is None:
        raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_NO_TRUST)
    if not is_authorized(line):
        raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_NOT_AUTHORIZED)
    if not move_credit(step.state, line, balance.amount):
        raise Refused(Claim.CLAIM_CLAIMABLE_BALANCE_LINE_FULL)


def remove_balance(step: Step, balance: ClaimableBalance) -> None:
    """Take the balance off the ledger and its reserve off the account that kept it."""
    step.state.remove(balance)
    sponsor = owner(step.state, balance.sponsor)
    step.state.put(replace(sponsor, num_sponsoring=sponsor.num_sponsoring - len(balance.claimants)))
