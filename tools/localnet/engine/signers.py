"""Keys that may sign for an account, in the text form of strkeys: G…, T…, X… and P… (CAP-40)."""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

from stellar_sdk import StrKey, xdr

Type = xdr.SignerKeyType

_DECODERS = {
    "G": (Type.SIGNER_KEY_TYPE_ED25519, StrKey.decode_ed25519_public_key),
    "T": (Type.SIGNER_KEY_TYPE_PRE_AUTH_TX, StrKey.decode_pre_auth_tx),
    "X": (Type.SIGNER_KEY_TYPE_HASH_X, StrKey.decode_sha256_hash),
    "P": (Type.SIGNER_KEY_TYPE_ED25519_SIGNED_PAYLOAD, StrKey.decode_ed25519_signed_payload),
}


def signer_text(key: xdr.SignerKey) -> str:
    if key.ed25519 is not None:
        return StrKey.encode_ed25519_public_key(key.ed25519.uint256)
    if key.pre_auth_tx is not None:
        return StrKey.encode_pre_auth_tx(key.pre_auth_tx.uint256)
    if key.hash_x is not None:
        return StrKey.encode_sha256_hash(key.hash_x.uint256)
    signed = key.ed25519_signed_payload
    if signed is None:
        raise ValueError(f"{key} is a signer key without a key.")
    return StrKey.encode_ed25519_signed_payload(signed.to_xdr_bytes())


@lru_cache(maxsize=1 << 14)
def signer_parts(text: str) -> tuple[xdr.SignerKeyType, bytes, bytes]:
    """Type, the 32 bytes of the key or hash, and the payload (empty for all but P…)."""
    kind, decode = _DECODERS[text[0]]
    raw = decode(text)
    if kind is not Type.SIGNER_KEY_TYPE_ED25519_SIGNED_PAYLOAD:
        return kind, raw, b""
    (length,) = unpack_from(">I", raw, 32)
    return kind, raw[:32], raw[36 : 36 + length]


def signer_order(text: str) -> tuple[int, bytes, bytes]:
    """What signers of an account are sorted by."""
    kind, key, payload = signer_parts(text)
    return int(kind), key, payload


def is_empty_payload(key: xdr.SignerKey) -> bool:
    return key.ed25519_signed_payload is not None and not key.ed25519_signed_payload.payload
