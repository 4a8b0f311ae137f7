"""The arbiter's daemon: hear what was paid for, rule in each round's window on what was decided. Offline is normal, and
nothing that others do ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from agent.disputes.hearing import Docket
from agent.disputes.ruling import Bench
from agent.errors import MilepostError
from agent.host.logs import Log
from agent.host.systemd import Notifier
from agent.ports import Clock

T = TypeVar("T")
RECEIVING = "what was paid for"


@dataclass
class Arbiter:
    docket: Docket
    bench: Bench
    clock: Clock
    log: Log
    poll_s: float
    notifier: Notifier = field(default_factory=Notifier)
    troubles: dict[str, str] = field(default_factory=dict)
    """What did not work when it was tried last, by what it was."""

    def run(self) -> None:
        """Until the clock is told to stop."""
        self.log.event("arbiter.started", account=self.bench.account)
        self.notifier.ready("hearing disputes")
        try:
            while not self.clock.stopped:
                self.turn()
                self.notifier.watchdog()
                self.clock.sleep(self.poll_s)
        finally:
            self.notifier.stopping()
            self.bench.book.journal.close()
            self.log.event("arbiter.stopped")

    def turn(self) -> None:
        """Once around; what does not work now is tried again on a later turn. Never raises.

        The newest ledger is asked for first: what was paid for by then is received before a ruling is drawn, or the
        ruling waits."""
        head = self._tried("the ledger", self.bench.horizon.head)
        if head is None:
            return
        self._tried(RECEIVING, self.docket.receive)
        self._tried("the hearings", lambda: self.docket.hear(head))
        is_behind = RECEIVING in self.troubles or self.docket.is_behind
        for cid in self.bench.rounds:
            self._tried(f"the round {cid}", partial(self.bench.rule, cid, head, is_behind))

    def _tried(self, what: str, work: Callable[[], T]) -> T | None:
        """None where it failed. Each sentence is said once, until another takes its place."""
        try:
            done = work()
        except Exception as error:
            why = str(error) if isinstance(error, MilepostError) else f"{type(error).__name__}: {str(error)[:160]}"
            if self.troubles.get(what) != why:
                self.troubles[what] = why
                self.log.warning("arbiter.waits", what=what, why=why)
            return None
        self.troubles.pop(what, None)
        return done
