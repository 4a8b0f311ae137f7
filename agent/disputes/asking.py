"""Asking an arbiter: looked at first as the arbiter will, stored, paid for, and followed until a ledger has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core import dispute
from agent.core.dispute import Dispute, Kind, RuledEntry
from agent.core.documents import Vote
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.dispute import DisputeJob, DisputeState, DisputeStep, Paid, Signed
from agent.core.jobs.fold import Event, owed
from agent.core.jobs.round import Lapsed
from agent.core.jobs.round import Refused as Failed
from agent.core.ledger import FIRST
from agent.core.money import XLM, Stroops, text
from agent.core.round import Round
from agent.disputes.book import AskedBook
from agent.errors import Refused
from agent.ledger.envelope import build, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, Refusal, Spent, look
from agent.market import bundle, disputes, pledge, rulings
from agent.market.bundle import Shelf

if TYPE_CHECKING:
    from stellar_sdk import Keypair

VALID_S = 120
POLL_S = 1.0


class NothingToWin(Refused):
    """The entry {entry} cannot be disputed: {why}. Nothing was paid."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a dispute stands. `word`: waiting, in the window, ruled, silent."""

    word: str
    round: Round
    found: RuledEntry | None = None
    ruling: CidText | None = None
    transaction: str | None = None

    @property
    def paid(self) -> Stroops:
        """XLM that the ruling pays for the entry, its fee among them."""
        return dispute.owed(self.found, self.round.pledge) if self.found and self.round.pledge else 0


@dataclass(kw_only=True)
class Asker:
    """A vehicle, or an initiator, at its ledger and its journal."""

    horizon: Horizon
    shelf: Shelf
    keypair: Keypair
    book: AskedBook
    fee: int
    say: Callable[[str], None]
    wait: Callable[[], None] = lambda: time.sleep(POLL_S)
    """Until the ledger may have moved."""

    @property
    def account(self) -> AccountId:
        return account_of(self.keypair)

    def ask(self, cid: CidText, entry: StakeId, reason: str, votes: Sequence[Vote] = ()) -> DisputeJob:
        """Dispute an entry in round `cid`: its initiator asks for a refund, anybody else for a settlement. One that is
        under way, or was paid for, is this one. Raises Refused, Unavailable."""
        if self.book.job(entry).state in (DisputeState.NONE, DisputeState.LAPSED):
            self._sign(cid, entry, reason, tuple(votes))
        while (job := self.book.job(entry)) and owed(job) is DisputeStep.SUBMIT:
            self._submit(job)
        if job.state is not DisputeState.PAID:
            raise NothingToWin(entry=entry, why="its payment did not come into a ledger. Run the same command again")
        return job

    def _sign(self, cid: CidText, entry: StakeId, reason: str, votes: tuple[Vote, ...]) -> None:
        round_ = self.shelf.round(cid)
        kind: Kind = "refund" if self.account == round_.initiator else "settle"
        asked = Dispute(kind=kind, round=cid, entry=entry, by=self.account, reason=reason, votes=votes)
        arbiter = round_.arbiter
        if arbiter is None or round_.pledge is None:
            raise disputes.NotDisputable(entry=entry, why="its round has no arbiter")
        head, account = self.horizon.head(), self.horizon.account(self.account)
        if head.closed_at + VALID_S >= round_.pledge.until:
            raise NothingToWin(
                entry=entry, why=f"its arbiter hears what is asked before {round_.pledge.until} (Unix seconds)"
            )
        if account is None or account.free(XLM) < arbiter.fee + self.fee:
            free = text(account.free(XLM) if account else 0)
            raise NothingToWin(entry=entry, why=f"the arbiter's fee is {text(arbiter.fee)} XLM, and {free} are free")
        found = disputes.entry_of(self.horizon, self.shelf, round_, asked, arbiter.account)
        if pledge.left(self.horizon, round_) < round_.pledge.reward:
            raise NothingToWin(entry=entry, why="less than one reward is left of the pay that was locked for its round")
        # What the arbiter is to look at must be had while the car is off.
        self.shelf.store.put(self.shelf.get(found.contribution, bundle.CONTRIBUTION_LIMITS))
        name = disputes.pin(asked, self.shelf.store)
        envelope = build(
            account.id,
            account.sequence,
            disputes.asking(round_),
            passphrase=self.horizon.passphrase,
            fee=self.fee,
            max_time=head.closed_at + VALID_S,
            memo=name.digest,
        )
        self.record(entry, Signed(signed(envelope, self.keypair), name.text, cid))

    def _submit(self, job: DisputeJob) -> None:
        outcome = look(self.horizon, job.of(Signed).envelope)
        if isinstance(outcome, InLedger):
            self.record(job.id, Paid(outcome.ledger))
            self.say(f"{job.id[:16]}: paid in ledger {outcome.ledger}")
        elif isinstance(outcome, Refusal):
            self.record(job.id, Failed(outcome.codes))
        elif isinstance(outcome, Spent):
            self.record(job.id, self._by_history(job, outcome.why))
        elif outcome is not None:
            self.record(job.id, Lapsed(outcome.why))
        else:
            self.wait()

    def _by_history(self, job: DisputeJob, why: str) -> Event:
        """Whoever cannot tell does not pay twice."""
        elder = self.horizon.elder()
        begins = 0 if elder <= FIRST else self.horizon.ledger(elder).closed_at
        return Lapsed(why) if begins < job.of(Signed).envelope.max_time - VALID_S else Paid()

    def record(self, job_id: str, event: Event) -> None:
        self.book.record(job_id, event, time.time())

    def answer(self, job: DisputeJob) -> Answer:
        """How a paid dispute stands on the ledger. Raises Unavailable, Refused."""
        cid = job.of(Signed).round
        round_, now = self.shelf.round(cid), self.horizon.head().closed_at
        assert round_.pledge is not None  # noqa: S101
        if now < round_.pledge.until:
            return Answer("waiting", round_)
        for made in rulings.of(self.horizon.archive or self.horizon, self.shelf, round_, cid):
            found = next((each for each in made.ruling.entries if each.entry == job.id), None)
            if found is not None:
                return Answer("ruled", round_, found, made.cid, made.transaction.hash)
        return Answer("in the window" if now < round_.back_at else "silent", round_)
