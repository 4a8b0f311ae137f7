"""Accounts as text: `G…` addresses, and `M…` where a sender muxed them."""

from __future__ import annotations

from functools import lru_cache

from stellar_sdk import StrKey, xdr


@lru_cache(maxsize=65536)
def encode(key: bytes) -> str:
    """A 32-byte public key as `G…`."""
    return StrKey.encode_ed25519_public_key(key)


def address(account: xdr.AccountID) -> str:
    key = account.account_id.ed25519
    assert key is not None
    return encode(key.uint256)


def plain(account: xdr.MuxedAccount) -> str:
    """The `G…` behind a possibly muxed account."""
    key = account.med25519.ed25519 if account.med25519 else account.ed25519
    assert key is not None
    return encode(key.uint256)


def muxed_fields(name: str, account: xdr.MuxedAccount) -> dict[str, str]:
    """`{name: G…}`, and for a muxed account also `{name}_muxed` and `{name}_muxed_id`."""
    fields = {name: plain(account)}
    if account.med25519:
        key, number = account.med25519.ed25519.uint256, account.med25519.id.uint64
        fields[f"{name}_muxed"] = StrKey.encode_med25519_public_key(key + number.to_bytes(8, "big"))
        fields[f"{name}_muxed_id"] = str(number)
    return fields


def is_account(text: str) -> bool:
    return StrKey.is_valid_ed25519_public_key(text)
