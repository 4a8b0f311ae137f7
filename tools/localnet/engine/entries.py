"""What a ledger holds. Every entry is a frozen value: a change is a replacement.

Amounts are integer stroops, times are Unix seconds, accounts are G-strings. `key` of an entry is a plain
tuple whose first part says its kind, so it serves as dictionary key and as SQLite key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from .assets import Asset

MAX = 2**63 - 1
"""INT64_MAX: the largest amount, and "no limit"."""

Key: TypeAlias = tuple[Any, ...]

# Account flags (CAP-35 adds the last).
AUTH_REQUIRED, AUTH_REVOCABLE, AUTH_IMMUTABLE, AUTH_CLAWBACK_ENABLED = 1, 2, 4, 8
# Trustline flags.
AUTHORIZED, AUTHORIZED_TO_MAINTAIN_LIABILITIES, CLAWBACK_ENABLED = 1, 2, 4
# Offer flags.
PASSIVE = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The ledger header: the one entry which every ledger has. `hash` and `previous_hash` are 32 bytes."""

    ledger_seq: int
    close_time: int
    protocol: int
    base_fee: int
    base_reserve: int
    max_tx_set_size: int
    fee_pool: int
    total_coins: int
    id_pool: int
    previous_hash: bytes = bytes(32)
    hash: bytes = bytes(32)

    @property
    def key(self) -> Key:
        return HEADER_KEY


HEADER_KEY: Key = ("header",)


@dataclass(frozen=True, slots=True)
class Signer:
    """`key` is a strkey: G… ed25519, T… pre-authorised transaction, X… sha256 hash, P… signed payload."""

    key: str
    weight: int


@dataclass(frozen=True, slots=True)
class Account:
    account: str
    balance: int
    sequence: int
    subentries: int = 0
    flags: int = 0
    thresholds: tuple[int, int, int, int] = (1, 0, 0, 0)
    """Master key's weight, then the low, medium and high thresholds."""
    home_domain: str = ""
    inflation_destination: str | None = None
    buying_liabilities: int = 0
    selling_liabilities: int = 0
    signers: tuple[Signer, ...] = ()
    """In XDR order of the keys; the master key is not among them."""
    num_sponsored: int = 0
    num_sponsoring: int = 0
    """Raised by claimable balances only: localnet knows no other sponsorship."""
    sequence_ledger: int = 0
    sequence_time: int = 0
    last_modified: int = 0

    @property
    def key(self) -> Key:
        return ("account", self.account)


@dataclass(frozen=True, slots=True)
class TrustLine:
    account: str
    asset: Asset
    balance: int
    limit: int
    flags: int
    buying_liabilities: int = 0
    selling_liabilities: int = 0
    last_modified: int = 0

    @property
    def key(self) -> Key:
        return ("trustline", self.account, self.asset)


@dataclass(frozen=True, slots=True)
class Offer:
    """Sells `amount` of `selling`, each for `n`/`d` of `buying`."""

    id: int
    seller: str
    selling: Asset
    buying: Asset
    amount: int
    n: int
    d: int
    flags: int = 0
    last_modified: int = 0

    @property
    def key(self) -> Key:
        return ("offer", self.id)

    @property
    def passive(self) -> bool:
        return bool(self.flags & PASSIVE)


@dataclass(frozen=True, slots=True)
class DataEntry:
    account: str
    name: str
    value: bytes
    last_modified: int = 0

    @property
    def key(self) -> Key:
        return ("data", self.account, self.name)


Predicate: TypeAlias = tuple[Any, ...]
"""("unconditional",) | ("and", p, q) | ("or", p, q) | ("not", p) | ("before", unix seconds)."""


@dataclass(frozen=True, slots=True)
class Claimant:
    destination: str
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class ClaimableBalance:
    id: str
    """64 hex digits: the hash, without the four bytes of its type (Horizon writes "00000000" before it)."""
    asset: Asset
    amount: int
    claimants: tuple[Claimant, ...]
    sponsor: str
    """The account whose reserve it takes: its creator."""
    clawback_enabled: bool = False
    last_modified: int = 0

    @property
    def key(self) -> Key:
        return ("claimable_balance", self.id)


Entry: TypeAlias = Header | Account | TrustLine | Offer | DataEntry | ClaimableBalance
SUBENTRIES = (TrustLine, Offer, DataEntry)
"""Kinds that belong to an account and count against its reserve (as its signers do)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry's way through a transaction or a ledger: created, updated or removed."""

    key: Key
    before: Entry | None
    after: Entry | None


Changes: TypeAlias = tuple[Change, ...]

NO_CHANGES: Changes = ()
