"""Bundles that only some may read: XChaCha20-Poly1305 under a fresh key, the key in a box for each reader's account.

The associated data ties a ciphertext to its purpose, so that it cannot be lifted into another bundle.

A box's ephemeral key pair is not random, it follows from the key inside. Whoever has the key can make every box again,
so a reader sees that the others were given the same key as it was, and everybody that a key which is published later is
the one that the author sealed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent.core.ids import AccountId
from agent.errors import Malformed
from agent.ledger import keys

if TYPE_CHECKING:
    from stellar_sdk import Keypair

KEY_BYTES = 32
OVERHEAD = 40
"""Bytes by which sealing lengthens: nonce and tag."""


def seal(data: bytes, purpose: str, readers: Iterable[AccountId]) -> tuple[bytes, dict[AccountId, str]]:
    """(ciphertext, the key in a box for each reader's account, in base64)."""
    from nacl.secret import Aead

    key = secrets.token_bytes(KEY_BYTES)
    return bytes(Aead(key).encrypt(data, purpose.encode())), {reader: boxed(key, reader) for reader in set(readers)}


def key(boxes: Mapping[AccountId, str], reader: Keypair) -> bytes:
    """The key, out of one reader's box. Raises Malformed."""
    box = boxes.get(keys.account_of(reader))
    if box is None:
        raise Malformed(what="the sealed bundle", why="its key is not sealed to this reader")
    try:
        return keys.unseal(reader, base64.b64decode(box, validate=True))
    except (ValueError, binascii.Error, keys.SealedToAnother):
        raise Malformed(what="the sealed bundle", why="this reader's box does not open") from None


def unseal(ciphertext: bytes, purpose: str, boxes: Mapping[AccountId, str], key: bytes) -> bytes:
    """Open it with its key. Raises Malformed, also when a box holds something else: then not all readers would read
    the same, or not all at all."""
    from nacl.exceptions import CryptoError
    from nacl.secret import Aead

    what = f"the sealed bundle ({purpose[:60]})"
    if len(key) != KEY_BYTES or any(box != boxed(key, reader) for reader, box in boxes.items()):
        raise Malformed(what=what, why="its boxes do not all hold this key")
    try:
        return bytes(Aead(key).decrypt(ciphertext, purpose.encode()))
    except (CryptoError, ValueError):
        raise Malformed(what=what, why="it does not open with the key that came with it") from None


def boxed(key: bytes, reader: AccountId) -> str:
    """The one box of this key for a reader's account, in base64. Raises Malformed where nothing can be sealed to it."""
    seed = hashlib.blake2b(reader.encode(), key=key, person=b"milepost/box", digest_size=32).digest()
    return base64.b64encode(keys.seal(reader, key, seed)).decode()
