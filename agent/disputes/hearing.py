"""What reaches the arbiter: payments that name a dispute, read off its account in the ledger's order and looked into.

A payment below the arbiter's least fee costs it nothing but the reading, once. What cannot be had or known now is
looked at again, for a day, and ever more seldom: who pays for disputes that nobody has keeps the arbiter from nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.core.cid import Cid
from agent.core.dispute import Dispute
from agent.core.ids import AccountId
from agent.core.jobs.fold import owed
from agent.core.jobs.hearing import Dismissed, Heard, Hearing, HearingStep, Received
from agent.core.ledger import Head, Transaction
from agent.core.money import Stroops, text
from agent.core.pauses import Backoff
from agent.disputes.book import CURSOR, ArbiterBook
from agent.errors import Malformed, Refused, Unavailable
from agent.host.logs import Log
from agent.ledger.envelope import opened
from agent.ledger.horizon import HistoryTooShort, Horizon
from agent.market import bundle, disputes
from agent.market.bundle import Shelf

MOST_HEARD = 4
"""Disputes that are looked into in one turn."""
BACKOFF = Backoff(2, 128)
"""Ledgers before a dispute that waits is looked into again."""
PATIENCE_S = 86_400
"""Evidence that is not to be had so long after it was paid for is none."""


@dataclass
class Docket:
    """The disputes before one arbiter."""

    horizon: Horizon
    shelf: Shelf
    book: ArbiterBook
    arbiter: AccountId
    least_fee: Stroops
    log: Log
    _again: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Dispute → the ledger from which on it is looked into again, and how many it was left alone for."""

    @property
    def is_behind(self) -> bool:
        """Whether something that was paid for is not looked into yet."""
        return any(owed(job) is HearingStep.HEAR for job in self.book.hearings)

    def receive(self) -> None:
        """Write down what was paid for since the last look. Raises Unavailable."""
        before = after = self.book.journal.note(CURSOR)
        for made in self._new():
            found, after = self._received(made), made.cursor
            if found is not None and not self.book.knows(made.hash):
                self.book.record(made.hash, found, time.time(), {CURSOR: made.cursor})
                self.log.event("dispute.received", dispute=found.dispute, by=found.by, amount=found.amount)
        if after is not None and after != before:
            self.book.journal.remember(CURSOR, after)

    def _new(self) -> Iterator[Transaction]:
        """After the newest that was read; all that is remembered, where history begins later than that: what is
        known is not heard twice."""
        after = self.book.journal.note(CURSOR)
        try:
            yield from self.horizon.history(self.arbiter, after=after)
        except HistoryTooShort as error:
            self.log.warning("arbiter.history_is_short", why=str(error))
            yield from self.horizon.history(self.arbiter)

    def _received(self, made: Transaction) -> Received | None:
        try:
            envelope = opened(made.envelope, self.horizon.passphrase)
        except Malformed:  # an operation that only a stranger would send
            return None
        amount = disputes.paid(envelope, self.arbiter)
        if envelope.memo is None or amount < self.least_fee or envelope.source == self.arbiter:
            return None
        return Received(Cid.v0(envelope.memo).text, AccountId(envelope.source), amount, made.closed_at)

    def hear(self, head: Head) -> None:
        """Look into what was received. What is away waits."""
        waiting = [job for job in self.book.hearings if owed(job) is HearingStep.HEAR]
        due = [job for job in waiting if self._again.get(job.id, (0, 0))[0] <= head.sequence]
        for job in due[:MOST_HEARD]:
            self._hear(job, head)

    def _hear(self, job: Hearing, head: Head) -> None:
        received = job.of(Received)
        event: Heard | Dismissed
        try:
            event = self._heard(job)
        except Unavailable as error:
            self.log.warning("dispute.waits", dispute=received.dispute, why=str(error))
            if head.closed_at < received.closed_at + PATIENCE_S:
                pause = BACKOFF.after(self._again.get(job.id, (0, 0))[1])
                self._again[job.id] = head.sequence + pause, pause
                return
            event = Dismissed(f"what it rests on was not to be had within a day: {error}"[:400])
        except Refused as error:
            event = Dismissed(str(error)[:400])
        self._again.pop(job.id, None)
        self.book.record(job.id, event, time.time())
        why = {"why": event.reason} if isinstance(event, Dismissed) else {"entry": event.entry, "asks": event.asks}
        self.log.event(f"dispute.{event.kind}", dispute=received.dispute, **why)

    def _heard(self, job: Hearing) -> Heard:
        """Raises Refused, Unavailable."""
        received = job.of(Received)
        dispute: Dispute = self.shelf.dispute(received.dispute)
        round_ = self.shelf.round(dispute.round)
        if round_.arbiter is None or round_.pledge is None:
            raise disputes.NotDisputable(entry=dispute.entry, why="its round has no arbiter")
        if dispute.by != received.by:
            raise disputes.NotDisputable(entry=dispute.entry, why=f"{received.by} paid for what {dispute.by} asks")
        if received.amount < round_.arbiter.fee:
            fee = text(round_.arbiter.fee)
            raise disputes.NotDisputable(entry=dispute.entry, why=f"{text(received.amount)} of {fee} XLM were paid")
        if received.closed_at >= round_.pledge.until:
            raise disputes.NotDisputable(entry=dispute.entry, why=f"it came later than {round_.pledge.until}")
        for other in self.book.hearings:
            heard = other.newest(Heard)
            if heard is not None and (heard.entry, heard.asks) == (dispute.entry, dispute.kind):
                raise disputes.NotDisputable(entry=dispute.entry, why="that was asked before, and paid for")
        found = disputes.entry_of(self.horizon, self.shelf, round_, dispute, self.arbiter)
        self.shelf.store.put(self.shelf.get(found.contribution, bundle.CONTRIBUTION_LIMITS))
        disputes.pin(dispute, self.shelf.store)
        return Heard(
            asks=dispute.kind,
            round=dispute.round,
            entry=dispute.entry,
            vehicle=found.vehicle,
            contribution=found.contribution,
            ledger=found.ledger,
        )
