"""An asset, and account ids, in the text form that Horizon and people use.

Account ids are G-strings everywhere in the engine; the 32-byte key is needed only by signatures and XDR.
Both directions are cached, since a ledger sees few accounts many times.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from stellar_sdk import StrKey, xdr

_CODE = re.compile("[A-Za-z0-9]{1,12}")


class Asset(NamedTuple):
    """`Asset("DLC", "G…")`; lumens are `NATIVE`. Text form: "native" or "CODE:ISSUER"."""

    code: str
    issuer: str

    def __str__(self) -> str:
        return f"{self.code}:{self.issuer}" if self.issuer else "native"

    @property
    def valid(self) -> bool:
        """Whether the code is one that a ledger accepts: 1 to 12 letters and digits."""
        return not self.issuer or _CODE.fullmatch(self.code) is not None

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
    return _account(account.account_id.ed25519)


def muxed_from_xdr(account: xdr.MuxedAccount) -> str:
    """The account behind a possibly muxed address: the ledger knows no sub-accounts."""
    return _account(account.ed25519 if account.med25519 is None else account.med25519.ed25519)


def _account(key: xdr.Uint256 | None) -> str:
    if key is None:
        raise ValueError("An account in XDR without a key: ed25519 is the only kind there is.")
    return account_id(key.uint256)


def asset_from_xdr(asset: xdr.Asset | xdr.ChangeTrustAsset) -> Asset:
    if asset.alpha_num4 is not None:
        return credit_asset(asset.alpha_num4.asset_code.asset_code4, account_from_xdr(asset.alpha_num4.issuer))
    if asset.alpha_num12 is not None:
        return credit_asset(asset.alpha_num12.asset_code.asset_code12, account_from_xdr(asset.alpha_num12.issuer))
    return NATIVE


def credit_asset(padded: bytes, issuer: str) -> Asset:
    """An asset from its code as it came over the wire, 4 or 12 bytes.

    Bytes are kept one to one (latin-1), so that an odd code survives until validation refuses it; so is the
    padding of a code which is too short for its twelve bytes.
    """
    code = padded.rstrip(b"\0")
    if len(padded) == 12 and len(code) < 5:
        code = padded
    return Asset(code.decode("latin-1"), issuer)
