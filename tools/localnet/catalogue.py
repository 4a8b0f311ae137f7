"""Which entries of the present ledger a filter means: by seller, asset, signer, sponsor or claimant.

The entries are in the engine's memory; these tables hold no more than what is looked up and in which order.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from .engine import Account, Change, Changes, ClaimableBalance, Entry, Offer, Store, TrustLine

# kind of entry -> the statements that forget and that list it
_FORGET = {
    Offer: ("DELETE FROM offer WHERE id = ?",),
    TrustLine: ("DELETE FROM line WHERE asset = ? AND account = ?",),
    Account: ("DELETE FROM signer WHERE signer = ? AND account = ?",),
    ClaimableBalance: (
        "DELETE FROM balance WHERE id = ?",
        "DELETE FROM claimant WHERE claimant = ? AND modified = ? AND balance = ?",
    ),
}
_LIST = {
    Offer: ("INSERT INTO offer VALUES (?, ?, ?, ?)",),
    TrustLine: ("INSERT INTO line VALUES (?, ?)",),
    Account: ("INSERT INTO signer VALUES (?, ?)",),
    ClaimableBalance: ("INSERT INTO balance VALUES (?, ?, ?, ?)", "INSERT INTO claimant VALUES (?, ?, ?)"),
}

Rows = tuple[list[tuple[Any, ...]], ...]


class CataloguedStore:
    """The store of a state that also keeps the catalogue, both inside the caller's SQL transaction."""

    def __init__(self, store: Store, db: sqlite3.Connection) -> None:
        self.store = store
        self.db = db
        self.load = store.load

    def write(self, changes: Changes) -> None:
        self.store.write(changes)
        catalogue(self.db, changes)


def catalogue(db: sqlite3.Connection, changes: Changes) -> None:
    for change in changes:
        before, after = _rows(change.before), _rows(change.after)
        if before != after:
            _replace(db, change, before, after)


def _replace(db: sqlite3.Connection, change: Change, before: Rows, after: Rows) -> None:
    if change.before is not None:
        kind = type(change.before)
        for statement, rows in zip(_FORGET[kind], before, strict=True):
            marks = statement.count("?")
            db.executemany(statement, [row[:marks] for row in rows])
    if change.after is not None:
        for statement, rows in zip(_LIST[type(change.after)], after, strict=True):
            db.executemany(statement, rows)


def _rows(entry: Entry | None) -> Rows:
    """The catalogue's rows for an entry, by table; what identifies a row comes first in it."""
    if isinstance(entry, Offer):
        return ([(entry.id, entry.seller, str(entry.selling), str(entry.buying))],)
    if isinstance(entry, TrustLine):
        return ([(str(entry.asset), entry.account)],)
    if isinstance(entry, Account):
        keys = [signer.key for signer in entry.signers]
        master = [entry.account] if entry.thresholds[0] else []
        return ([(key, entry.account) for key in [*master, *keys]],)
    if isinstance(entry, ClaimableBalance):
        balance = (entry.id, entry.last_modified, str(entry.asset), entry.sponsor)
        return [balance], [(one.destination, entry.last_modified, entry.id) for one in entry.claimants]
    return ()
