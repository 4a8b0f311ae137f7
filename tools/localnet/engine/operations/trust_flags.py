"""SetTrustLineFlags and its forerunner AllowTrust: an issuer decides who may hold its asset (RULES 7, 12)."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

from stellar_sdk import xdr

from .. import liabilities
from ..assets import NATIVE, Asset, account_from_xdr, asset_from_xdr, credit_asset
from ..entries import (
    AUTH_REVOCABLE,
    AUTHORIZED,
    AUTHORIZED_TO_MAINTAIN_LIABILITIES,
    CLAWBACK_ENABLED,
    Offer,
    TrustLine,
)
from ..envelope import Operation
from ..holdings import may_hold_offers
from ..refusal import Refused
from ..reserves import release_subentry
from ..step import Step

Set = xdr.SetTrustLineFlagsResultCode
Allow = xdr.AllowTrustResultCode
BOTH = AUTHORIZED | AUTHORIZED_TO_MAINTAIN_LIABILITIES


def check_set_flags(operation: Operation) -> None:
    body = operation.body
    asset = asset_from_xdr(body.asset)
    to_set, to_clear = body.set_flags.uint32, body.clear_flags.uint32
    wrong_party = asset.issuer != operation.source or account_from_xdr(body.trustor) == operation.source
    unknown = to_set & ~BOTH or to_clear & ~(BOTH | CLAWBACK_ENABLED)
    if asset == NATIVE or not asset.valid or wrong_party or unknown or to_set & to_clear or to_set == BOTH:
        raise Refused(Set.SET_TRUST_LINE_FLAGS_MALFORMED)


def apply_set_flags(step: Step) -> bytes:
    body = step.body
    to_set, to_clear = body.set_flags.uint32, body.clear_flags.uint32
    if to_clear & BOTH and not to_set & AUTHORIZED and not _revocable(step):
        raise Refused(Set.SET_TRUST_LINE_FLAGS_CANT_REVOKE)
    line = _line(step, asset_from_xdr(body.asset), Set.SET_TRUST_LINE_FLAGS_NO_TRUST_LINE)
    flags = line.flags & ~to_clear | to_set
    if flags & BOTH == BOTH:
        raise Refused(Set.SET_TRUST_LINE_FLAGS_INVALID_STATE)
    _set_flags(step, line, flags)
    return b""


def check_allow_trust(operation: Operation) -> None:
    body = operation.body
    if body.authorize.uint32 not in (0, AUTHORIZED, AUTHORIZED_TO_MAINTAIN_LIABILITIES):
        raise Refused(Allow.ALLOW_TRUST_MALFORMED)
    itself = account_from_xdr(body.trustor) == operation.source
    if itself or not _allowed_asset(operation).valid:
        raise Refused(Allow.ALLOW_TRUST_MALFORMED)


def apply_allow_trust(step: Step) -> bytes:
    authorize = step.body.authorize.uint32
    revocable = _revocable(step)
    if authorize == 0 and not revocable:
        raise Refused(Allow.ALLOW_TRUST_CANT_REVOKE)
    line = _line(step, _allowed_asset(step.operation), Allow.ALLOW_TRUST_NO_TRUST_LINE)
    lowers = line.flags & AUTHORIZED and authorize == AUTHORIZED_TO_MAINTAIN_LIABILITIES
    if lowers and not revocable:
        raise Refused(Allow.ALLOW_TRUST_CANT_REVOKE)
    _set_flags(step, line, line.flags & ~BOTH | authorize)
    return b""


def _allowed_asset(operation: Operation) -> Asset:
    """AllowTrust names only a code: the issuer is its source."""
    code = operation.body.asset
    padded = code.asset_code12.asset_code12 if code.asset_code4 is None else code.asset_code4.asset_code4
    return credit_asset(padded, operation.source)


def _revocable(step: Step) -> bool:
    return bool(step.source_account().flags & AUTH_REVOCABLE)


def _line(step: Step, asset: Asset, missing: IntEnum) -> TrustLine:
    line = step.state.trust_line(account_from_xdr(step.body.trustor), asset)
    if line is None:
        raise Refused(missing)
    return line


def _set_flags(step: Step, line: TrustLine, flags: int) -> None:
    """Write the flags; a line that loses its last authorisation loses its offers first."""
    after = replace(line, flags=flags)
    if may_hold_offers(line) and not may_hold_offers(after):
        _remove_offers(step, line)
        after = replace(_line_now(step, line), flags=flags)
    step.state.put(after)


def _remove_offers(step: Step, line: TrustLine) -> None:
    for offer in step.state.owned_by(line.account):
        if isinstance(offer, Offer) and line.asset in (offer.selling, offer.buying):
            liabilities.release(step.state, offer)
            step.state.remove(offer)
            release_subentry(step.state, line.account)


def _line_now(step: Step, line: TrustLine) -> TrustLine:
    """The line after its offers' liabilities are gone."""
    return step.state.trust_line(line.account, line.asset) or line
