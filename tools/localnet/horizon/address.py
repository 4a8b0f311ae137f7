"""Accounts and balances as Horizon writes them: `G…`, the `M…` beside it where a sender muxed it, a balance's id."""

from __future__ import annotations

from stellar_sdk import StrKey, xdr

from ..engine.assets import muxed_from_xdr

BALANCE_V0 = "00000000"
"""What stands before the 64 hex digits of a claimable balance's id: the XDR union's discriminant."""


def muxed_fields(name: str, account: xdr.MuxedAccount) -> dict[str, str]:
    """`{name: G…}`, and for a muxed account also `{name}_muxed` and `{name}_muxed_id`."""
    fields = {name: muxed_from_xdr(account)}
    if account.med25519:
        key, number = account.med25519.ed25519.uint256, account.med25519.id.uint64
        fields[f"{name}_muxed"] = StrKey.encode_med25519_public_key(key + number.to_bytes(8, "big"))
        fields[f"{name}_muxed_id"] = str(number)
    return fields


def is_account(text: str) -> bool:
    return StrKey.is_valid_ed25519_public_key(text)
