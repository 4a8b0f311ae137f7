"""Clawback and ClawbackClaimableBalance: an issuer takes its asset back."""

from __future__ import annotations

from dataclasses import replace

from stellar_sdk import xdr

from ..assets import NATIVE, asset_from_xdr, muxed_from_xdr
from ..entries import CLAWBACK_ENABLED
from ..envelope import Operation
from ..refusal import Refused
from ..step import Step
from .claimable_balance import remove_balance

Line = xdr.ClawbackResultCode
Balance = xdr.ClawbackClaimableBalanceResultCode


def check(operation: Operation) -> None:
    body = operation.body
    asset = asset_from_xdr(body.asset)
    wrong_party = asset.issuer != operation.source or muxed_from_xdr(body.from_) == operation.source
    if asset == NATIVE or not asset.valid or wrong_party or body.amount.int64 <= 0:
        raise Refused(Line.CLAWBACK_MALFORMED)


def apply(step: Step) -> bytes:
    body = step.body
    line = step.state.trust_line(muxed_from_xdr(body.from_), asset_from_xdr(body.asset))
    if line is None:
        raise Refused(Line.CLAWBACK_NO_TRUST)
    if not line.flags & CLAWBACK_ENABLED:
        raise Refused(Line.CLAWBACK_NOT_CLAWBACK_ENABLED)
    balance = line.balance - body.amount.int64
    if balance < line.selling_liabilities:
        raise Refused(Line.CLAWBACK_UNDERFUNDED)
    # Whether the line is authorised does not matter here.
    step.state.put(replace(line, balance=balance))
    return b""


def apply_balance(step: Step) -> bytes:
    balance = step.state.claimable_balance(step.body.balance_id.v0.hash.hex())
    if balance is None:
        raise Refused(Balance.CLAWBACK_CLAIMABLE_BALANCE_DOES_NOT_EXIST)
    if balance.asset.issuer != step.source:
        raise Refused(Balance.CLAWBACK_CLAIMABLE_BALANCE_NOT_ISSUER)
    if not balance.clawback_enabled:
        raise Refused(Balance.CLAWBACK_CLAIMABLE_BALANCE_NOT_CLAWBACK_ENABLED)
    remove_balance(step, balance)
    return b""
