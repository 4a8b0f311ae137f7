"""The validator's daemon: look at the ledger, judge what is new, vote, settle. One thread; offline is normal."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.core.money import Asset
from agent.core.review import Review, State
from agent.errors import MilepostError, Unavailable
from agent.host import standing
from agent.host.clock import SystemClock
from agent.host.logs import Log
from agent.host.systemd import Notifier
from agent.ledger.horizon import Horizon
from agent.market import settlement
from agent.ports import FleetLink
from agent.validator.docket import Docket
from agent.validator.entries import Entry, entry
from agent.validator.judge import Judge, brief
from agent.validator.rounds import Rounds
from agent.validator.settling import Settling

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
"""Before a bundle that could not be had is asked for again."""


@dataclass
class Parts:
    """What a validator is made of."""

    horizon: Horizon
    docket: Docket
    rounds: Rounds
    judge: Judge
    settling: Settling
    link: FleetLink
    clock: SystemClock
    log: Log
    account: str
    state_dir: Path
    poll_s: float
    notifier: Notifier = field(default_factory=Notifier)


class Validator:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._entries: dict[str, Entry] = {}
        self._later: dict[str, tuple[float, float]] = {}
        self._trouble = ""

    def run(self) -> None:
        """Until the clock is told to stop."""
        parts = self.parts
        parts.log.event("validator.started", account=parts.account, open=len(parts.docket.open))
        parts.notifier.ready("looking for entries")
        try:
            while not parts.clock.stopped:
                self.turn()
                parts.clock.sleep(parts.poll_s)
        finally:
            parts.notifier.stopping()
            self._write_status("stopped")
            parts.link.close()
            parts.docket.journal.close()
            parts.log.event("validator.stopped")

    def turn(self) -> None:
        """Once around; what the network does not give now is asked for on the next turn."""
        try:
            head = self.parts.horizon.head()
            self.parts.rounds.look()
            for account in sorted(self.parts.rounds.settlements):
                self._look(account)
            self._judge_next()
            self.parts.settling.hear()
            self.parts.settling.speak(head)
        except MilepostError as error:
            self._say(error)
        else:
            self._trouble = "" if not self._later else self._trouble
        self._write_status("online")
        self.parts.notifier.watchdog()

    def _say(self, error: MilepostError) -> None:
        """Each sentence once, until another takes its place."""
        if str(error) == self._trouble:
            return
        self._trouble = str(error)
        if isinstance(error, Unavailable):
            self.parts.log.warning("validator.waiting", why=str(error))
        else:
            self.parts.log.error("validator.failed", error)

    def _look(self, account: str) -> None:
        """New stakes become reviews; stakes that are gone were settled or taken back."""
        parts = self.parts
        taken = {Asset.parse(served.round.stake.asset) for served in parts.rounds.of(account)}
        # What cannot be claimed into the settlement account is no stake: it would fail every record it is in.
        there = {s.id: s for s in parts.horizon.stakes(account) if s.asset in taken and account in s.at_once}
        for stake in there.values():
            if stake.id in parts.docket.seen:
                continue
            found = entry(parts.horizon, stake)
            if found is not None:
                self._entries[stake.id] = found
                self._record(stake.id, "found", {"settlement": account, **found.facts()})
        for review in list(parts.docket.open.values()):
            if review.facts["settlement"] == account and review.id not in there:
                self._ended(review, account)

    def _ended(self, review: Review, account: str) -> None:
        found = settlement.settling(self.parts.horizon, review.id, account)
        if found is None:
            self._record(review.id, "gone", {"outcome": "gone"})
        else:
            facts = {**asdict(found.settled), "settlement_transaction": found.transaction.hash}
            self._record(review.id, "settled", facts)
        self._entries.pop(review.id, None)
        self._later.pop(review.id, None)
        self.parts.settling.forget(review.id)

    def _judge_next(self) -> None:
        """One entry a turn, the oldest first: votes and settlements of others do not wait for a long queue."""
        now = self.parts.clock.monotonic()
        waiting = [r for r in self.parts.docket.open.values() if r.state is State.FOUND]
        for review in sorted(waiting, key=lambda r: (r.facts["ledger"], r.id)):
            later, pause = self._later.get(review.id, (now, FIRST_PAUSE_S))
            found = self._entries.get(review.id) or self._again(review)
            if found is None or now < later:
                continue
            try:
                judgement = self.parts.judge.judge(found, self.parts.rounds.served)
                cid = self._round_of(found)
            except Unavailable as error:  # a bundle that nobody has must not hold up those that are there
                self._later[review.id] = (now + pause, min(pause * 2, LONGEST_PAUSE_S))
                self._say(error)
                continue
            if cid is not None:
                self._record(review.id, "judged", {"round": cid, **brief(judgement)})
                self._later.pop(review.id, None)
                return

    def _again(self, review: Review) -> Entry | None:
        """After a restart: the entry as the ledger has it."""
        stake = self.parts.horizon.stake(review.id)
        found = entry(self.parts.horizon, stake) if stake else None
        if found is not None:
            self._entries[review.id] = found
        return found

    def _round_of(self, found: Entry) -> str | None:
        """The round under which an entry is settled: its base if that is served, else the newest one of its settlement
        account, so that rubbish is settled too."""
        rounds = self.parts.rounds
        base = self.parts.judge.base_of(found)
        if base in rounds.served:
            return base
        served = [s for a in found.stake.claimants for s in rounds.of(a)]
        return served[-1].cid if served else None

    def _record(self, entry_id: str, kind: str, facts: dict[str, Any]) -> None:
        self.parts.docket.record(entry_id, kind, facts, self.parts.clock.now())
        shown = {k: facts[k] for k in ("vehicle", "outcome", "credit", "reason", "figure") if k in facts}
        self.parts.log.event(f"entry.{kind}", entry=entry_id[:16], **shown)

    def status(self, word: str) -> dict[str, Any]:
        parts = self.parts
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
                    "vehicle": r.facts["vehicle"],
                    "outcome": r.facts.get("outcome"),
                }
                for r in parts.docket.open.values()
            ],
            "ended": dict(parts.docket.ended),
            "troubles": [
                t
                for t in (
                    self._trouble,
                    *parts.rounds.troubles,
                    *parts.settling.troubles,
                    *map(_halted, parts.settling.halted),
                )
                if t
            ],
        }

    def _write_status(self, word: str) -> None:
        try:
            standing.write(self.parts.state_dir, self.status(word))
        except OSError as error:
            self.parts.log.warning("status.unwritten", why=error.strerror)


def _halted(entry_id: str) -> str:
    return (
        f"The entry {entry_id[:16]} is halted: the committee's figures on the same test set differ by more than 1e-4."
        " Compare the validators' onnxruntime versions and test sets; until then its stake can be taken back."
    )
