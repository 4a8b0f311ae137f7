"""The one writer: takes transactions in, closes ledgers, and wakes whoever waits for the next close."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable

from .engine import (
    NOBODY,
    TODAY,
    Admission,
    Change,
    Closed,
    Crowd,
    Envelope,
    Header,
    Queue,
    Rules,
    admit,
    close,
    genesis,
    price,
)
from .engine.market import rate
from .errors import LocalnetError
from .foreign import Foreign
from .record import Chapter, record_ledger
from .view import View, transaction

DEFAULT_CAPACITY = 5_000
"""Operations."""


class LedgerStopped(LocalnetError):
    """Ledger {sequence} could not be closed: {reason}. All before it are kept. See to the cause, start again."""


class Node(View):
    """A ledger with its queue, history and clock. For one thread, that of the event loop.

    The ledger's clock is the machine's plus what tests have advanced it by; it survives a restart. A close
    time is later than the one before by at least a second, as on every Stellar network.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        passphrase: str,
        rules: Rules = TODAY,
        clock: Callable[[], float] = time.time,
        keep: int | None = None,
        capacity: int | None = None,
    ) -> None:
        """capacity: how many operations a ledger holds from the next one on, None for as many as it says itself."""
        super().__init__(db, passphrase, rules, keep)
        self.clock = clock
        self.queue = Queue()
        self.crowd = NOBODY
        self.capacity = capacity
        self.foreign: list[Foreign] = []
        """What the next ledger's history gets from strangers."""
        self.followers: list[Callable[[Chapter], None]] = []
        """Called after each close."""
        self.failure: LedgerStopped | None = None
        self._ahead_seconds = self._setting("ahead_seconds")
        if not len(self.state):
            self._begin()

    def __repr__(self) -> str:
        return f"<Node ledger={self.header.ledger_seq} waiting={len(self.queue)}>"

    @property
    def node(self) -> Node:
        return self

    def now(self) -> int:
        """Unix seconds on the ledger's clock."""
        return int(self.clock()) + self._ahead_seconds

    def advance(self, seconds: int) -> None:
        """Set the ledger's clock forward, for good."""
        self._ahead_seconds += seconds
        self.db.execute("INSERT OR REPLACE INTO setting VALUES ('ahead_seconds', ?)", [str(self._ahead_seconds)])

    def submit(self, envelope: Envelope) -> Admission:
        """Judge an envelope and, when it may wait for the next ledger, queue it."""
        admission = admit(self.state, envelope, self.now(), self.queue, self.rules, self.crowd)
        if admission.status == "PENDING":
            self.queue.evict(admission.evicted)
            self.queue.add(envelope)
        elif admission.outbid:
            self.queue.ban(envelope)
        return admission

    def surge(self, crowd: Crowd) -> None:
        """From now on strangers bid as this crowd does. At the door it puts out who waits with a lower bid."""
        self.crowd = crowd
        if crowd.at_the_door:
            self.queue.evict(one for one in self.queue if rate(one) <= crowd.bid)

    def close(self) -> Header:
        """Close a ledger with what is queued. On return it is in SQLite, entries and history as one.

        Raises LedgerStopped, after which the ledger must be opened anew.
        """
        try:
            closed = self._close()
        except Exception as found:
            # what memory holds may now differ from what the file does: nobody may be answered from it
            self.failure = LedgerStopped(sequence=self.header.ledger_seq + 1, reason=f"{type(found).__name__}: {found}")
            self.stop()
            raise self.failure from found
        self.wake()
        return closed.header

    def _close(self) -> Closed:
        close_time = max(self.header.close_time + 1, self.now())
        batch = self.queue.nominate(self.state, close_time, self.rules, self.crowd)
        cost = price(self.header, batch, self.queue.scarce, self.crowd)
        closed = close(self.state, batch, close_time, self.rules, cost, self.capacity)
        chapter = Chapter(closed, self.crowd, tuple(self.foreign))
        self.take(chapter)
        self.foreign.clear()
        self.queue.closed(batch, self.rules)
        for follow in self.followers:
            follow(chapter)
        return closed

    async def keep_closing(self, seconds: float) -> None:
        """Close a ledger every so many seconds, empty ones too: the ledger's time must move."""
        while True:
            await asyncio.sleep(seconds)
            self.close()

    def _begin(self) -> None:
        entries = genesis(
            self.passphrase,
            close_time=self.now(),
            rules=self.rules,
            max_tx_set_size=self.capacity or DEFAULT_CAPACITY,
        )
        with transaction(self.db):
            self.state.commit(tuple(Change(entry.key, None, entry) for entry in entries))
            record_ledger(self.db, self.header, successful=0, failed=0, operations=0, set_operations=0)

    def _setting(self, name: str) -> int:
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", [name]).fetchone()
        return int(row["value"]) if row else 0
