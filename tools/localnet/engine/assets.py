"""An asset, and account ids, in the text form that Horizon and people use.

Account ids are G-strings everywhere in the engine; the 32-byte key is needed only by signatures and XDR.
Both directions are cached, since a ledger sees few accounts many times.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from stellar_sdk import StrKey, xdr


class Asset(NamedTuple):
    """`Asset("DLC", "G…")`; lumens are `NATIVE`. Text form: "native" or "CODE:ISSUER"."""

    code: str
    issuer: str

    def __str__(self) -> str:
        return "native" if self is NATIVE or not self.issuer else f"{self.code}:{self.issuer}"

    @classmethod
    def parse(cls, text: str) -> Asset:
        """Read the text form; raises ValueError for anything else."""
        if text == "native":
            return NATIVE
        code, colon, issuer = text.partition(":")
        if not colon or not code or not StrKey.is_valid_ed25519_public_key(issuer):
            raise ValueError(f"{text!r} is neither native nor CODE:ISSUER.")
        return cls(code, issuer)


NATIVE = Asset("", "")


@lru_cache(maxsize=1 << 17)
def account_id(public_key: bytes) -> str:
    """The G-string of a 32-byte ed25519 key."""
    return StrKey.encode_ed25519_public_key(public_key)


@lru_cache(maxsize=1 << 17)
def public_key(account: str) -> bytes:
    """The 32-byte ed25519 key of a G-string."""
    return StrKey.decode_ed25519_public_key(account)


def account_from_xdr(account: xdr.AccountID) -> str:
    return account_id(account.account_id.ed25519.uint256)


def muxed_from_xdr(account: xdr.MuxedAccount) -> str:
    """The account behind a possibly muxed address: the ledger knows no sub-accounts."""
    key = account.ed25519 if account.med25519 is None else account.med25519.ed25519
    return account_id(key.uint256)


def code_from_bytes(padded: bytes) -> str:
    """An asset code as it came over the wire, its padding stripped.

    Bytes are kept one to one (latin-1), so that an odd code survives until validation refuses it.
    """
    return padded.rstrip(b"\0").decode("latin-1")


def asset_from_xdr(asset: xdr.Asset) -> Asset:
    if asset.alpha_num4 is not None:
        return _credit(asset.alpha_num4.asset_code.asset_code4, asset.alpha_num4.issuer)
    if asset.alpha_num12 is not None:
        return _credit(asset.alpha_num12.asset_code.asset_code12, asset.alpha_num12.issuer)
    return NATIVE


def _credit(code: bytes, issuer: xdr.AccountID) -> Asset:
    return Asset(code_from_bytes(code), account_from_xdr(issuer))
