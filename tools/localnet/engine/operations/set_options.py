"""SetOptions: flags, thresholds, home domain, inflation destination and signers of the source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stellar_sdk.xdr import SetOptionsResultCode as Code

from ..assets import account_from_xdr
from ..entries import (
    AUTH_CLAWBACK_ENABLED,
    AUTH_IMMUTABLE,
    AUTH_REQUIRED,
    AUTH_REVOCABLE,
    Account,
    Signer,
)
from ..envelope import Operation
from ..refusal import Refused
from ..reserves import claim_subentry, release_subentry
from ..signers import is_empty_payload, signer_order, signer_text
from ..step import Step

ALL_FLAGS = AUTH_REQUIRED | AUTH_REVOCABLE | AUTH_IMMUTABLE | AUTH_CLAWBACK_ENABLED
MAX_SIGNERS = 20
MAX_WEIGHT = 255


def check(operation: Operation) -> None:
    body = operation.body
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if (to_set | to_clear) & ~ALL_FLAGS:
        raise Refused(Code.SET_OPTIONS_UNKNOWN_FLAG)
    if to_set & to_clear:
        raise Refused(Code.SET_OPTIONS_BAD_FLAGS)
    weights = (body.master_weight, body.low_threshold, body.med_threshold, body.high_threshold)
    if any(_number(weight) > MAX_WEIGHT for weight in weights):
        raise Refused(Code.SET_OPTIONS_THRESHOLD_OUT_OF_RANGE)
    if body.signer is not None:
        key, weight = body.signer.key, body.signer.weight.uint32
        if weight > MAX_WEIGHT or is_empty_payload(key) or signer_text(key) == operation.source:
            raise Refused(Code.SET_OPTIONS_BAD_SIGNER)
    if body.home_domain is not None and not is_plain_text(body.home_domain.string32):
        raise Refused(Code.SET_OPTIONS_INVALID_HOME_DOMAIN)


def is_plain_text(text: bytes) -> bool:
    """Printable ASCII: what home domains and data names are made of."""
    return all(0x20 <= byte < 0x7F for byte in text)


def _number(optional: Any) -> int:
    return 0 if optional is None else optional.uint32


def apply(step: Step) -> bytes:
    body = step.body
    account = step.source_account()
    if body.inflation_dest is not None:
        destination = account_from_xdr(body.inflation_dest)
        if step.state.account(destination) is None:
            raise Refused(Code.SET_OPTIONS_INVALID_INFLATION)
        account = replace(account, inflation_destination=destination)
    account = replace(account, flags=_flags(account, body), thresholds=_thresholds(account, body))
    if body.home_domain is not None:
        account = replace(account, home_domain=body.home_domain.string32.decode("ascii"))
    step.state.put(account)
    if body.signer is not None:
        _set_signer(step, Signer(signer_text(body.signer.key), body.signer.weight.uint32))
    return b""


def _flags(account: Account, body: Any) -> int:
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if to_set | to_clear and account.flags & AUTH_IMMUTABLE:
        raise Refused(Code.SET_OPTIONS_CANT_CHANGE)
    flags = account.flags & ~to_clear | to_set
    if flags & AUTH_CLAWBACK_ENABLED and not flags & AUTH_REVOCABLE:
        raise Refused(Code.SET_OPTIONS_AUTH_REVOCABLE_REQUIRED)
    return flags


def _thresholds(account: Account, body: Any) -> tuple[int, int, int, int]:
    asked = (body.master_weight, body.low_threshold, body.med_threshold, body.high_threshold)
    master, low, medium, high = (
        now if new is None else new.uint32 for now, new in zip(account.thresholds, asked, strict=True)
    )
    return master, low, medium, high


def _set_signer(step: Step, signer: Signer) -> None:
    signers = step.source_account().signers
    others = tuple(one for one in signers if one.key != signer.key)
    known = len(others) < len(signers)
    if signer.weight == 0:
        if known:
            release_subentry(step.state, step.source)
    else:
        if not known:
            if len(signers) >= MAX_SIGNERS:
                raise Refused(Code.SET_OPTIONS_TOO_MANY_SIGNERS)
            claim_subentry(step.state, step.source, Code.SET_OPTIONS_LOW_RESERVE)
        others = tuple(sorted((*others, signer), key=lambda one: signer_order(one.key)))
    step.state.put(replace(step.source_account(), signers=others))
