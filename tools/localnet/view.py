"""A ledger as one address shows it: its entries, what of its history is remembered, and who waits for more.

The node's own view is always the newest; a replica's is some ledgers late. As in Horizon, entries are never
forgotten and history may be: what is behind the elder ledger is as if it had never been.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .catalogue import CataloguedStore
from .engine import (
    TODAY,
    Admission,
    Envelope,
    Header,
    LedgerState,
    Rules,
    SqliteStore,
    network_id,
)
from .horizon.toid import toid
from .record import Chapter, record

if TYPE_CHECKING:
    from .node import Node

# what a ledger leaves behind, by total order id
_HISTORY = (
    "history",
    "history_account",
    "operation",
    "operation_account",
    "operation_balance",
    "effect",
    "trade",
)


class View:
    """For one thread, that of the event loop.

    keep: how many ledgers of history are remembered, None for all.
    """

    def __init__(self, db: sqlite3.Connection, passphrase: str, rules: Rules = TODAY, keep: int | None = None) -> None:
        self.db = db
        self.passphrase = passphrase
        self.network_id = network_id(passphrase)
        self.rules = rules
        self.keep = keep
        self.state = LedgerState(store=CataloguedStore(SqliteStore(db), db))
        self.stopping = False
        self.elder = self._elder()
        self._closed = asyncio.Event()

    @property
    def header(self) -> Header:
        return self.state.header

    @property
    def node(self) -> Node:
        """Whoever closes this ledger."""
        raise NotImplementedError

    def submit(self, envelope: Envelope) -> Admission:
        """Hand an envelope to the node: the queue is one, whichever address it came in by."""
        return self.node.submit(envelope)

    def take(self, chapter: Chapter) -> None:
        """Show a closed ledger from now on: entries and history as one. Wakes nobody yet."""
        with transaction(self.db):
            record(self.db, chapter)
            self.state.commit(chapter.closed.changes)
            if self.keep is not None:
                self._forget(self.keep)

    def forget(self, keep: int) -> None:
        """Remember the last `keep` ledgers from now on (0 is taken as 1) and nothing older, for good."""
        with transaction(self.db):
            self._forget(keep)

    async def next_close(self, seconds: float) -> bool:
        """Wait for another ledger to be shown; False when none was in time or the server stops."""
        try:
            await asyncio.wait_for(self._closed.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return not self.stopping

    def stop(self) -> None:
        """Let go of everyone who waits: the server is about to leave."""
        self.stopping = True
        self.wake()

    def wake(self) -> None:
        sleepers, self._closed = self._closed, asyncio.Event()
        sleepers.set()

    def _forget(self, keep: int) -> None:
        elder = self.header.ledger_seq - max(keep, 1) + 1
        if elder <= self.elder:
            return
        for table in _HISTORY:
            self.db.execute(f"DELETE FROM {table} WHERE id < ?", [toid(elder)])  # noqa: S608  own names
        self.db.execute("DELETE FROM ledger WHERE sequence < ?", [elder])
        self.elder = elder

    def _elder(self) -> int:
        (found,) = self.db.execute("SELECT min(sequence) FROM ledger").fetchone()
        return found or 1


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, for a connection in autocommit mode."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself where the disk is full
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
