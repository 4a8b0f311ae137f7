"""Bundles that only some may read: XChaCha20-Poly1305 under a fresh key, the key sealed to each reader's account.

The associated data ties a ciphertext to its purpose, so that it cannot be lifted into another bundle.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent.errors import Malformed
from agent.ledger import keys

if TYPE_CHECKING:
    from stellar_sdk import Keypair

KEY_BYTES = 32


def seal(data: bytes, purpose: str, readers: Iterable[str]) -> tuple[bytes, dict[str, str]]:
    """(ciphertext, the key sealed to each reader's account in base64)."""
    from nacl.secret import Aead

    key = secrets.token_bytes(KEY_BYTES)
    ciphertext = bytes(Aead(key).encrypt(data, purpose.encode()))
    return ciphertext, {reader: base64.b64encode(keys.seal(reader, key)).decode() for reader in sorted(set(readers))}


def unseal(ciphertext: bytes, purpose: str, sealed: Mapping[str, str], reader: Keypair) -> bytes:
    """Open it with one reader's key. Raises Malformed."""
    from nacl.exceptions import CryptoError
    from nacl.secret import Aead

    what = f"the sealed bundle ({purpose[:60]})"
    box = sealed.get(reader.public_key)
    if box is None:
        raise Malformed(what=what, why="its key is not sealed to this reader")
    try:
        key = keys.unseal(reader, base64.b64decode(box, validate=True))
        return bytes(Aead(key).decrypt(ciphertext, purpose.encode()))
    except (CryptoError, ValueError, binascii.Error, keys.SealedToAnother):
        raise Malformed(what=what, why="it does not open with the key that came with it") from None
