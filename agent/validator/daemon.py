"""The validator's daemon: look at the ledger, judge what is new, vote, settle. Offline is normal, and nothing that
others do ends it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from agent.core.ids import AccountId
from agent.core.ledger import Head
from agent.core.pace import Ask, Pace
from agent.host import status_file
from agent.host.logs import Log
from agent.host.systemd import Notifier
from agent.ledger.horizon import Horizon
from agent.ports import Clock, FleetLink
from agent.validator.book import ReviewBook
from agent.validator.guard import Guard
from agent.validator.reviewing import Reviewing
from agent.validator.rounds import Rounds
from agent.validator.settling import Settling


@dataclass
class ValidatorParts:
    """What a validator is made of."""

    horizon: Horizon
    book: ReviewBook
    rounds: Rounds
    reviewing: Reviewing
    settling: Settling
    guard: Guard
    link: FleetLink
    clock: Clock
    log: Log
    account: AccountId
    state_dir: Path
    poll_s: float
    notifier: Notifier = field(default_factory=Notifier)


class Validator:
    def __init__(self, parts: ValidatorParts) -> None:
        self.parts = parts
        self._pace = Pace()
        self._looked_at = 0
        """The newest ledger that was looked at in whole."""
        self._is_whole = False
        """Whether the last look was."""

    def run(self) -> None:
        """Until the clock is told to stop."""
        parts = self.parts
        parts.log.event("validator.started", account=parts.account, open=len(parts.book.open))
        parts.notifier.ready("looking for entries")
        try:
            while not parts.clock.stopped:
                self.turn()
                parts.clock.sleep(parts.poll_s)
        finally:
            parts.notifier.stopping()
            self._write_status("stopped")
            parts.link.close()
            parts.book.journal.close()
            parts.log.event("validator.stopped")

    def turn(self) -> None:
        """Once around; what does not work now is tried again on a later turn. Never raises."""
        parts = self.parts
        ask = self._pace.next(self._is_busy, parts.horizon.latest, parts.clock.monotonic())
        if ask is Ask.EVERYTHING or parts.guard("a quiet look", partial(self._found, ask)):
            self._work()
        else:
            parts.guard("the committee", parts.settling.hear)
        parts.guard("false rounds", parts.settling.name_false)
        self._write_status("online")
        parts.notifier.watchdog()

    @property
    def _is_busy(self) -> bool:
        parts = self.parts
        return bool(parts.book.open) or parts.reviewing.is_behind or parts.settling.is_busy or not self._is_whole

    def _found(self, ask: Ask) -> bool:
        """Whether there is something new, found out with one request for each account. Raises Unavailable."""
        parts = self.parts
        if ask is Ask.STAKES:
            return any(parts.reviewing.has_news(account) for account in sorted(parts.rounds.settlements))
        if ask is Ask.ROUNDS:
            before = dict(parts.rounds.newest), dict(parts.rounds.incoming)
            parts.rounds.look()
            return (parts.rounds.newest, parts.rounds.incoming) != before
        return False

    def _work(self) -> None:
        """Everything there is to do."""
        parts = self.parts
        head = parts.guard("the ledger", parts.horizon.head)
        self._is_whole &= head is not None
        if head is not None:
            if head.sequence > self._looked_at:
                self._look(head)
            parts.reviewing.judge(head)
            parts.notifier.watchdog()
            parts.guard("the committee", parts.settling.hear)
            parts.guard("the settlements", lambda: parts.settling.speak(head))

    def _look(self, head: Head) -> None:
        """A ledger that was looked at in whole has nothing new."""
        parts, whole = self.parts, True
        parts.guard("the rounds", parts.rounds.look)
        whole &= not parts.guard.failed("the rounds")
        left = {review.entry.settlement for review in parts.book.open.values()}  # to another committee too
        for account in sorted(parts.rounds.settlements | left):
            parts.notifier.watchdog()
            name = f"account {account}"
            whole &= bool(parts.guard(name, partial(parts.reviewing.look, account, head)))
        self._is_whole = whole
        if whole:
            self._looked_at = head.sequence

    def status(self, word: str) -> dict[str, object]:
        parts = self.parts
        halted = map(_halted, parts.settling.halted)
        troubles = (
            *parts.guard.troubles,
            *parts.rounds.troubles,
            *parts.reviewing.troubles,
            *parts.settling.troubles,
            *halted,
            *([str(parts.link.trouble)] if parts.link.trouble else []),
            *([str(parts.horizon.trouble)] if parts.horizon.trouble else []),
        )
        return {
            "status": word,
            "at": parts.clock.now(),
            "pid": os.getpid(),
            "account": parts.account,
            "rounds": [
                {"cid": s.cid, "model": s.round.model, "number": s.round.number} for s in parts.rounds.served.values()
            ],
            "reviews": [
                {
                    "entry": r.id,
                    "state": r.state.value,
                    "vehicle": r.entry.vehicle,
                    "outcome": r.outcome,
                }
                for r in parts.book.open.values()
            ],
            "ended": dict(parts.book.ended),
            "history": asdict(reach) if (reach := parts.horizon.known) else None,
            "troubles": list(troubles),
        }

    def _write_status(self, word: str) -> None:
        self.parts.guard("the status file", lambda: status_file.write(self.parts.state_dir, self.status(word)))


def _halted(entry_id: str) -> str:
    return (
        f"The entry {entry_id[:16]} is halted: the committee's figures on the same test set differ by more than 1e-4."
        " Compare the validators' onnxruntime versions and test sets; until then its stake can be taken back."
    )
