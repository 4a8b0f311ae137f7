"""The few XDR encodings that results need, written directly: they are made for every transaction."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, pack

from .assets import Asset, public_key
from .crossing import Claim
from .entries import Offer

INT64 = Struct(">q").pack
_ACCOUNT_AND_ID = Struct(">i32sq").pack
_PRICED = Struct(">qiiIi").pack
ORDER_BOOK_CLAIM = pack(">i", 1)


@lru_cache(maxsize=1 << 16)
def account_bytes(account: str) -> bytes:
    return pack(">i32s", 0, public_key(account))


@lru_cache(maxsize=1 << 16)
def asset_bytes(asset: Asset) -> bytes:
    if not asset.issuer:
        return pack(">i", 0)
    code = asset.code.encode("latin-1")
    width = 4 if len(code) <= 4 else 12
    return pack(f">i{width}s", 1 if width == 4 else 2, code) + account_bytes(asset.issuer)


def claims_bytes(claims: list[Claim]) -> bytes:
    return b"".join([pack(">I", len(claims)), *map(_claim_bytes, claims)])


def _claim_bytes(claim: Claim) -> bytes:
    return b"".join(
        (
            ORDER_BOOK_CLAIM,
            _ACCOUNT_AND_ID(0, public_key(claim.seller), claim.offer_id),
            asset_bytes(claim.sold),
            INT64(claim.amount_sold),
            asset_bytes(claim.bought),
            INT64(claim.amount_bought),
        )
    )


def offer_bytes(offer: Offer) -> bytes:
    return b"".join(
        (
            _ACCOUNT_AND_ID(0, public_key(offer.seller), offer.id),
            asset_bytes(offer.selling),
            asset_bytes(offer.buying),
            _PRICED(offer.amount, offer.n, offer.d, offer.flags, 0),
        )
    )
