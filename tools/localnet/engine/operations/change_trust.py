"""ChangeTrust: open, resize or close the source's trustline."""

from __future__ import annotations

from dataclasses import replace

from stellar_sdk import xdr
from stellar_sdk.xdr import ChangeTrustResultCode as Code

from ..assets import NATIVE, asset_from_xdr
from ..entries import (
    AUTH_CLAWBACK_ENABLED,
    AUTH_REQUIRED,
    AUTHORIZED,
    CLAWBACK_ENABLED,
    Account,
    TrustLine,
)
from ..envelope import Operation
from ..refusal import Refused
from ..reserves import claim_subentry, release_subentry
from ..step import Step


def supported(operation: Operation) -> bool:
    """Shares of liquidity pools are outside localnet."""
    return operation.body.line.type is not xdr.AssetType.ASSET_TYPE_POOL_SHARE


def check(operation: Operation) -> None:
    asset = asset_from_xdr(operation.body.line)
    own = asset.issuer == operation.source
    if operation.body.limit.int64 < 0 or asset == NATIVE or not asset.valid or own:
        raise Refused(Code.CHANGE_TRUST_MALFORMED)


def apply(step: Step) -> bytes:
    asset, limit = asset_from_xdr(step.body.line), step.body.limit.int64
    state = step.state
    issuer = state.account(asset.issuer)
    line = state.trust_line(step.source, asset)
    if line is not None:
        if limit < line.balance + line.buying_liabilities:
            raise Refused(Code.CHANGE_TRUST_INVALID_LIMIT)
        if limit == 0:
            state.remove(line)
            release_subentry(state, step.source)
            return b""
        if issuer is None:
            raise Refused(Code.CHANGE_TRUST_NO_ISSUER)
        state.put(replace(line, limit=limit))
        return b""
    if limit == 0:
        raise Refused(Code.CHANGE_TRUST_INVALID_LIMIT)
    if issuer is None:
        raise Refused(Code.CHANGE_TRUST_NO_ISSUER)
    claim_subentry(state, step.source, Code.CHANGE_TRUST_LOW_RESERVE)
    state.put(TrustLine(step.source, asset, 0, limit, _first_flags(issuer)))
    return b""


def _first_flags(issuer: Account) -> int:
    flags = 0 if issuer.flags & AUTH_REQUIRED else AUTHORIZED
    return flags | (CLAWBACK_ENABLED if issuer.flags & AUTH_CLAWBACK_ENABLED else 0)
