"""Accounts, names of content and numbers that are the same each time: all of them follow from a word."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText
from agent.ledger.keys import account_of

if TYPE_CHECKING:
    from stellar_sdk import Keypair


def seed(word: str) -> bytes:
    """32 bytes: an account's Ed25519 seed, a key, a hash."""
    return sha256(f"milepost vectors: {word}".encode()).digest()


def keypair(word: str) -> Keypair:
    from stellar_sdk import Keypair

    return Keypair.from_raw_ed25519_seed(seed(word))


def account(word: str) -> AccountId:
    return account_of(keypair(word))


def cid(word: str) -> CidText:
    return Cid.v0(seed(word)).text


def hex32(word: str) -> str:
    return seed(word).hex()


COMMITTEE = tuple(account(f"validator {number}") for number in range(4))


def numbers(count: int, start: int = 0) -> NDArray[np.float32]:
    """Between -1 and 1, no two near one another equal; exact on every machine."""
    places = (np.arange(start, start + count, dtype=np.int64) * 7919 + 104_729) % 2001
    return ((places - 1000) / 1000).astype(np.float32)
