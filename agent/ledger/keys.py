"""A party's Stellar key: one secret seed in a file that nobody else may read, and boxes sealed to an account.

Theory: a Stellar key is an Ed25519 key. The same point, seen on the birationally equivalent Curve25519, is a
Diffie-Hellman key, so anybody who knows an account can seal a box that only the account's holder opens
(libsodium, crypto_sign_ed25519_pk_to_curve25519, crypto_box_seal). No second key is made or published.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from agent import credential, files
from agent.core.ids import AccountId
from agent.errors import CredentialError, Malformed, Refused

if TYPE_CHECKING:
    from stellar_sdk import Keypair


class SealedToAnother(Refused):
    """The sealed box cannot be opened: it was sealed to another account, or changed on the way."""


def generate(path: Path) -> str:
    """Make a key at `path`, mode 0600; returns its address. Never replaces a file. Raises CredentialError, and what
    `agent.files` says of the disk."""
    from stellar_sdk import Keypair

    if not path.parent.is_dir():
        raise CredentialError(path=path, why=f"there is no folder {path.parent}. Make it first")
    keypair = Keypair.random()
    try:
        files.write_new(path, f"{keypair.secret}\n".encode())
    except files.AlreadyThere:
        raise CredentialError(path=path, why="a key is there already, and it is never replaced") from None
    return keypair.public_key


def load(path: Path) -> Keypair:
    """The key in `path`. Raises CredentialError (77) when it is missing, open to others, or no key."""
    from stellar_sdk import Keypair
    from stellar_sdk.exceptions import Ed25519SecretSeedInvalidError

    secret = credential.read(path, "Make one with `milepost keys generate`")
    try:
        return Keypair.from_secret(secret)
    except (Ed25519SecretSeedInvalidError, ValueError):
        # `from None`: the cause holds the text of the file, and a traceback must not.
        raise CredentialError(path=path, why="it does not hold a Stellar secret (S and 55 more signs)") from None


def account_of(keypair: Keypair) -> AccountId:
    return AccountId(keypair.public_key)


def address(path: Path) -> AccountId:
    """The account of the key in `path`. Raises CredentialError."""
    return account_of(load(path))


def sealing_public(account: AccountId) -> bytes:
    """The Curve25519 public key (32 bytes) of a Stellar account. Raises Malformed when it is none."""
    from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519
    from nacl.exceptions import CryptoError
    from stellar_sdk import StrKey
    from stellar_sdk.exceptions import Ed25519PublicKeyInvalidError

    try:
        return crypto_sign_ed25519_pk_to_curve25519(StrKey.decode_ed25519_public_key(account))
    except (Ed25519PublicKeyInvalidError, CryptoError, ValueError) as error:
        raise Malformed(what=f"the account {account[:60]!r}", why="no point that could be sealed to") from error


def seal(account: AccountId, data: bytes, seed: bytes | None = None) -> bytes:
    """A box (48 bytes longer than `data`) that only the account's key opens. The ephemeral key pair follows from `seed`
    (32 secret bytes) where one is given: the same seed gives the same box. Raises Malformed."""
    from nacl.bindings import crypto_box, crypto_box_NONCEBYTES, crypto_box_seed_keypair

    theirs = sealing_public(account)
    public, secret = crypto_box_seed_keypair(seed or secrets.token_bytes(32))
    nonce = hashlib.blake2b(public + theirs, digest_size=crypto_box_NONCEBYTES).digest()
    return bytes(public + crypto_box(data, nonce, theirs, secret))


def unseal(keypair: Keypair, sealed: bytes) -> bytes:
    """Open a box that was sealed to this key's account. Raises SealedToAnother."""
    from nacl.bindings import crypto_sign_ed25519_sk_to_curve25519
    from nacl.exceptions import CryptoError
    from nacl.public import PrivateKey, SealedBox

    secret = crypto_sign_ed25519_sk_to_curve25519(keypair.raw_secret_key() + keypair.raw_public_key())
    try:
        return bytes(SealedBox(PrivateKey(secret)).decrypt(sealed))
    except (CryptoError, ValueError) as error:
        raise SealedToAnother() from error


def signature(keypair: Keypair, data: bytes) -> str:
    """Ed25519, in base64. The same data give the same signature."""
    return base64.b64encode(keypair.sign(data)).decode()


def has_signed(account: AccountId, data: bytes, signature: str) -> bool:
    """Whether the account's key made this signature of the data, written in canonical base64."""
    from stellar_sdk import Keypair
    from stellar_sdk.exceptions import BadSignatureError

    try:
        plain = base64.b64decode(signature, validate=True)
        Keypair.from_public_key(account).verify(data, plain)
    except (BadSignatureError, binascii.Error, ValueError):
        return False
    return base64.b64encode(plain).decode() == signature


def derived(keypair: Keypair, purpose: str) -> bytes:
    """A 32-byte symmetric key for one purpose on this machine (BLAKE2b keyed with the secret)."""
    return hashlib.blake2b(purpose.encode(), key=keypair.raw_secret_key(), digest_size=32).digest()
