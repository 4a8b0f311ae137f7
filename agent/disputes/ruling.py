"""Ruling: what was decided becomes one document and one transaction for each round, in the arbiter's window.

It is drawn once everything that was paid for in time is heard and decided, or with what is decided as the window comes
to its end. Where
nothing is decided there is no ruling: the pledge is its initiator's again, and the fees stay where they are.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core import dispute
from agent.core.dispute import MOST_CLAIMED, MOST_RULED, Claim, Ruling, ruled
from agent.core.ids import AccountId, CidText
from agent.core.jobs.fold import Event, owed
from agent.core.jobs.hearing import Answered, Heard, Hearing, HearingState, Missed, Received
from agent.core.jobs.round import Lapsed
from agent.core.jobs.ruling import Entered, Refused, RulingJob, RulingState, RulingStep, Signed
from agent.core.jobs.ruling import Missed as TooLate
from agent.core.ledger import Head, Stake
from agent.core.money import XLM
from agent.core.round import Round
from agent.disputes.book import ArbiterBook
from agent.disputes.decisions import Decisions
from agent.errors import Unavailable
from agent.host.logs import Log
from agent.ledger import keys
from agent.ledger.envelope import build, opened, signed
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import refused_payments
from agent.ledger.submission import InLedger, Refusal, Spent, look
from agent.market import disputes, pledge, rulings
from agent.market.bundle import Shelf

if TYPE_CHECKING:
    from stellar_sdk import Keypair, Payment

VALID_S = 60
SILENT = "the arbiter did not decide while it could: what is left of the pledge is the initiator's again"
NOTHING = "nothing was left of the pledge when the arbiter's window began"
FULL = f"a ruling holds {MOST_RULED} entries, and this one came later on the ledger"


@dataclass
class Bench:
    """Where one arbiter rules."""

    horizon: Horizon
    shelf: Shelf
    book: ArbiterBook
    decisions: Decisions
    keypair: Keypair
    fee: int
    log: Log

    @property
    def account(self) -> AccountId:
        return keys.account_of(self.keypair)

    @property
    def rounds(self) -> Mapping[CidText, list[Hearing]]:
        """Rounds with disputes that were heard and are not answered."""
        found = defaultdict[CidText, list[Hearing]](list)
        for job in self.book.hearings:
            if job.state is HearingState.HEARD:
                found[job.of(Heard).round].append(job)
        return found

    def rule(self, cid: CidText, head: Head, is_behind: bool = False) -> None:
        """What is owed on one round now. `is_behind`: something that was paid for by this ledger is not heard yet.
        Harmless to repeat. Raises Unavailable, Refused."""
        round_, job, heard = self.shelf.round(cid), self.book.ruling(cid), self.rounds[cid]
        assert round_.pledge is not None  # noqa: S101  (or it was not heard)
        if job.is_over:
            self._answer(job, heard)
        elif owed(job) is RulingStep.SUBMIT:
            self._submit(job)
        elif head.closed_at >= round_.back_at:
            self._miss(job, heard, SILENT)
        elif head.closed_at >= round_.pledge.until and (claims := self._claims(round_, heard, head, is_behind)):
            self._draw(cid, round_, job, heard, claims, head)

    # --- drawing

    def _claims(self, round_: Round, heard: Sequence[Hearing], head: Head, is_behind: bool) -> list[Claim]:
        """The entries with what was decided on them; none while it is too soon."""
        found = dict[str, Claim]()
        for job in heard:
            each = job.of(Heard)
            decided = self.decisions.of(each.entry)
            before = found.get(each.entry)
            found[each.entry] = Claim(
                entry=each.entry,
                vehicle=each.vehicle,
                contribution=each.contribution,
                ledger=each.ledger,
                wants_pay=each.asks == "settle" or (before is not None and before.wants_pay),
                credit=None if decided is None else decided.credit,
                reason="" if decided is None else decided.reason,
            )
        decided_on = [claim for claim in found.values() if claim.credit is not None]
        is_whole = len(decided_on) == len(found) and not is_behind
        is_ready = is_whole or head.closed_at >= dispute.last_call(round_)
        return [*found.values()] if decided_on and is_ready else []

    def _draw(
        self, cid: CidText, round_: Round, job: RulingJob, heard: Sequence[Hearing], claims: list[Claim], head: Head
    ) -> None:
        assert round_.pledge is not None  # noqa: S101
        balances: list[Stake] = pledge.of(round_, self.horizon.stakes(self.account, XLM))[:MOST_CLAIMED]
        account = self.horizon.account(self.account)
        if not balances:
            self._miss(job, heard, NOTHING)
            return
        if account is None:
            raise Unavailable(what=f"the arbiter's account {self.account}")
        claimed = sum(each.amount for each in balances)
        vehicles = {claim.vehicle for claim in claims}
        gone = {vehicle for vehicle in vehicles if self.horizon.account(vehicle) is None} | job.unpaid
        entries = tuple(ruled(claims, round_.pledge, claimed, frozenset(gone)))
        about = {each.entry for each in entries}
        asked = sorted(each.of(Received).dispute for each in heard if each.of(Heard).entry in about)
        unsigned = Ruling(round=cid, disputes=tuple(asked), entries=entries, arbiter=self.account)
        ruling = unsigned.model_copy(update={"signature": keys.signature(self.keypair, unsigned.to_bytes())})
        as_balance = job.state is RulingState.LAPSED or self.horizon.account(round_.initiator) is None
        names = [each.id for each in balances]
        name = disputes.pin(ruling, self.shelf.store)
        envelope = build(
            account.id,
            account.sequence,
            rulings.operations(round_, entries, names, claimed, as_balance=as_balance),
            passphrase=self.horizon.passphrase,
            fee=self.fee,
            max_time=head.closed_at + VALID_S,
            memo=name.digest,
        )
        self._record(cid, Signed(signed(envelope, self.keypair), name.text))

    # --- in flight

    def _submit(self, job: RulingJob) -> None:
        sent = job.of(Signed)
        outcome = look(self.horizon, sent.envelope)
        if isinstance(outcome, InLedger):
            self._record(job.id, Entered(outcome.ledger))
        elif isinstance(outcome, Refusal):
            self._record(job.id, Refused(outcome.codes, tuple(sorted(job.unpaid | self._unpaid(sent)))))
        elif isinstance(outcome, Spent):
            self._record(job.id, self._by_state(sent, outcome))
        elif outcome is not None:
            self._record(job.id, Lapsed(outcome.why))

    def _unpaid(self, sent: Signed) -> set[AccountId]:
        """Whom the failed transaction could not pay."""
        found = self.horizon.find(sent.envelope.hash)
        if found is None:
            raise Unavailable(what=f"the transaction {sent.envelope.hash}")
        made, failed = opened(found.envelope, self.horizon.passphrase), refused_payments(found.result)
        operations: dict[int, Payment] = {index: made.operations[index] for index in failed}
        return {AccountId(each.destination.account_id) for each in operations.values()}

    def _by_state(self, sent: Signed, spent: Spent) -> Event:
        """A ruling claims every balance that it names, or none: one that is there was not claimed."""
        balances = rulings.claims(opened(sent.envelope.envelope, self.horizon.passphrase))
        there = [each for each in balances if self.horizon.stake(each) is not None]
        if self.horizon.latest < spent.ledger:
            raise Unavailable(what=f"what became of the transaction {sent.envelope.hash}")
        return Lapsed(spent.why) if there else Entered()

    # --- afterwards

    def _answer(self, job: RulingJob, heard: Sequence[Hearing]) -> None:
        """Each dispute hears what became of its entry."""
        entries = {}
        if job.state is RulingState.ENTERED:
            entries = {each.entry: each for each in self.shelf.ruling(job.of(Signed).ruling).entries}
        for each in heard:
            found = entries.get(each.of(Heard).entry)
            if found is None:
                self._record(each.id, Missed(FULL if entries else SILENT))
            else:
                self._record(each.id, Answered(job.of(Signed).ruling, found.outcome, found.credit, found.reason))

    def _miss(self, job: RulingJob, heard: Sequence[Hearing], why: str) -> None:
        for each in heard:
            self._record(each.id, Missed(why))
        if job.state is RulingState.LAPSED:
            self._record(job.id, TooLate())

    def _record(self, job_id: str, event: Event) -> None:
        self.book.record(job_id, event, time.time())
        self.log.event(f"arbiter.{event.kind}", job=job_id)
