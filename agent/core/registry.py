"""The registry that a committee is drawn from, as a round states it: an operator's validators with their bonds.

Rules
  1. An initiator announces a registry before anybody knows the hash of the ledger that will hold the announcement. That
     hash draws the committee (`core.draw`), so neither initiator nor validators choose it.
  2. The announcement is an account that nobody can ever sign for, made in that ledger. Its starting sequence number is
     the ledger's (CreateAccount), and its data entry is the registry's digest: both are state, and outlive history.
  3. Whoever checks a draw needs the round, that account, the ledger's hash, and the bonds that are on the ledger.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from agent.core import ids
from agent.core.documents import Document, Part
from agent.core.fields import AccountId, AssetName, Count, LedgerNumber, StakeId

MOST_MEMBERS = 1000
SEQUENCE_BITS = 32
"""An account's first sequence number is its ledger's, moved up by so many bits (CreateAccount)."""


class Member(Part):
    """A validator that may be drawn."""

    account: AccountId
    bond: StakeId
    """The claimable balance that it has put down."""
    samples: Count = 0
    """D_i: the samples that its own fleet contributed to this model, in the window."""


class Registry(Document):
    """Everybody who could be drawn, as of one ledger."""

    protocol: Literal[1] = 1
    initiator: AccountId
    """Who announces it."""
    dlc: AssetName
    """Whose validators they are: those whose bonds are in this DLC."""
    ledger: LedgerNumber
    """As of which it is read off the ledger: at most ten before the announcement's."""
    size: int = Field(ge=1, le=20)
    """How many are drawn."""
    members: tuple[Member, ...] = Field(min_length=1, max_length=MOST_MEMBERS)
    """By account, each once."""

    @model_validator(mode="after")
    def _of_many(self) -> Registry:
        if any(one.account >= other.account for one, other in pairwise(self.members)):
            raise ValueError("a registry is in the order of its accounts, and each is in it once")
        if self.size > len(self.members):
            raise ValueError("no more can be drawn than there are")
        return self

    @property
    def digest(self) -> bytes:
        """sha256 of its canonical bytes: the announcement's data entry."""
        return hashlib.sha256(self.to_bytes()).digest()


class Draw(Part):
    """How a round's committee was drawn."""

    announcement: AccountId
    """The account that nobody can sign for."""
    ledger: LedgerNumber
    """That made it, and whose hash drew."""
    registry: Registry


def contributed(samples: Iterable[tuple[ids.AccountId | None, int]]) -> Mapping[ids.AccountId, int]:
    """D_i by validator, of (the validator that a credited entry's vehicle named, its samples). Who names nobody counts
    for nobody."""
    found: Counter[ids.AccountId] = Counter()
    for validator, count in samples:
        if validator is not None:
            found[validator] += count
    return found
