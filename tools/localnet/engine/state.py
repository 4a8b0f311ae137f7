"""The state of a ledger: entries by key, with savepoints, and the two indexes that operations need.

Entries are frozen, so undoing is putting back: a log of (key, entry before) since the first savepoint is all
that all-or-nothing takes. `close` works inside a savepoint and leaves the state as it found it; `commit`
makes its changes last. State is for one thread; who reads it from others takes a lock around `close` and
`commit`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from .assets import Asset
from .book import Books, Pair
from .entries import (
    HEADER_KEY,
    SUBENTRIES,
    Account,
    Change,
    Changes,
    ClaimableBalance,
    DataEntry,
    Entry,
    Header,
    Key,
    Offer,
    TrustLine,
)
from .rows import row_of


class Store(Protocol):
    """Where a committed state lasts."""

    def load(self) -> Iterable[Entry]:
        """Every entry, in any order."""

    def write(self, changes: Changes) -> None:
        """Make the changes durable, all or none. Harmless when done twice."""


class LedgerState:
    def __init__(self, entries: Iterable[Entry] = (), store: Store | None = None) -> None:
        """With a `store`, its entries are loaded as well and every commit is written to it."""
        self._entries: dict[Key, Entry] = {}
        self._owned: dict[str, dict[Key, None]] = {}
        self._books = Books()
        self._undo: list[tuple[Key, Entry | None]] = []
        self._digest = 0
        self._store = store
        if store is not None:
            self.load(store.load())
        self.load(entries)

    # -- reading

    @property
    def header(self) -> Header:
        return self._entries[HEADER_KEY]  # type: ignore[return-value]

    def account(self, account: str) -> Account | None:
        return self._entries.get(("account", account))  # type: ignore[return-value]

    def trust_line(self, account: str, asset: Asset) -> TrustLine | None:
        return self._entries.get(("trustline", account, asset))  # type: ignore[return-value]

    def offer(self, offer_id: int) -> Offer | None:
        return self._entries.get(("offer", offer_id))  # type: ignore[return-value]

    def data(self, account: str, name: str) -> DataEntry | None:
        return self._entries.get(("data", account, name))  # type: ignore[return-value]

    def claimable_balance(self, balance_id: str) -> ClaimableBalance | None:
        return self._entries.get(("claimable_balance", balance_id))  # type: ignore[return-value]

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, the header among them, in no particular order."""
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def owned_by(self, account: str) -> list[TrustLine | Offer | DataEntry]:
        """The trustlines, offers and data entries of an account, oldest first."""
        return [self._entries[key] for key in self._owned.get(account, ())]  # type: ignore[misc]

    def best_offer(self, selling: Asset, buying: Asset) -> Offer | None:
        """The offer that a taker who buys `selling` with `buying` meets first."""
        best = self._books.best(selling, buying)
        return None if best is None else self.offer(best)

    def book(self, selling: Asset, buying: Asset) -> Iterator[Offer]:
        """All offers of a pair, best first. Not to be walked while offers change."""
        return (self._entries["offer", one] for one in self._books.ids(selling, buying))  # type: ignore[misc]

    def pairs(self) -> Iterator[Pair]:
        """Every (selling, buying) which has an offer."""
        return self._books.pairs()

    def state_hash(self) -> str:
        """64 hex digits over the committed entries: equal states have equal hashes, whatever way led to them.

        The sum of the entries' SHA-256 modulo 2^256, so a close costs its changes, not its ledger. The
        header's own hashes are left out of it.
        """
        return f"{self._digest:064x}"

    # -- changing

    def put(self, entry: Entry) -> None:
        """Create or replace the entry of this key, stamped with the ledger that is being built."""
        if not isinstance(entry, Header):
            ledger_seq = self.header.ledger_seq
            if entry.last_modified != ledger_seq:
                entry = replace(entry, last_modified=ledger_seq)
        self._set(entry.key, entry)

    def remove(self, entry: Entry) -> None:
        self._set(entry.key, None)

    def savepoint(self) -> int:
        return len(self._undo)

    def rollback(self, savepoint: int) -> None:
        """Undo everything since the savepoint."""
        while len(self._undo) > savepoint:
            key, before = self._undo.pop()
            self._swap(key, self._entries.get(key), before)

    def changes_since(self, savepoint: int) -> Changes:
        """What differs from the savepoint, one change for each key, in the order of first touch."""
        first: dict[Key, Entry | None] = {}
        for key, before in self._undo[savepoint:]:
            first.setdefault(key, before)
        found = (Change(key, before, self._entries.get(key)) for key, before in first.items())
        return tuple(change for change in found if change.before != change.after)

    def commit(self, changes: Changes) -> None:
        """Make a close's changes last: first in the store, then here."""
        if self._store is not None:
            self._store.write(changes)
        for change in changes:
            self._digest += _digest(change.after) - _digest(change.before)
            self._swap(change.key, self._entries.get(change.key), change.after)
        self._digest %= 1 << 256
        self._undo.clear()

    def load(self, entries: Iterable[Entry]) -> None:
        """Take entries as they are: a genesis, a store's rows, a recording."""
        for entry in entries:
            before = self._entries.get(entry.key)
            self._digest = (self._digest + _digest(entry) - _digest(before)) % (1 << 256)
            self._swap(entry.key, before, entry)

    def _set(self, key: Key, after: Entry | None) -> None:
        before = self._entries.get(key)
        self._undo.append((key, before))
        self._swap(key, before, after)

    def _swap(self, key: Key, before: Entry | None, after: Entry | None) -> None:
        if isinstance(before, SUBENTRIES) or isinstance(after, SUBENTRIES):
            self._reindex(key, before, after)
        if after is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = after

    def _reindex(self, key: Key, before: Entry | None, after: Entry | None) -> None:
        if isinstance(before, Offer):
            self._books.remove(before)
        if isinstance(after, Offer):
            self._books.add(after)
        if before is None and after is not None:
            self._owned.setdefault(_owner(after), {})[key] = None
        elif before is not None and after is None:
            self._owned[_owner(before)].pop(key)


def _owner(entry: Entry) -> str:
    return entry.seller if isinstance(entry, Offer) else entry.account  # type: ignore[union-attr]


def _digest(entry: Entry | None) -> int:
    if entry is None:
        return 0
    if isinstance(entry, Header):
        entry = replace(entry, hash=b"", previous_hash=b"")
    return int.from_bytes(hashlib.sha256(row_of(entry).encode()).digest(), "big")
