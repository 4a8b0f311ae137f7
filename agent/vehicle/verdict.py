"""What became of a stake: from the ledger's state first, from history while it remembers, from the committee's records
when it does not.

A stake that is on the ledger waits; that is one question. One that is off it was settled by the committee, taken back
by this vehicle, or clawed back by the operator that issued its DLC. History names the transaction. Where history
forgets, the settlement account's data entry names the newest record, and each record the one before: what none of
them settled was not the committee's doing. So a watch always ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core.cid import Cid
from agent.core.fields import MOST_CREDIT
from agent.core.ids import AccountId, StakeId
from agent.core.jobs.contribution import Accepted, Clawed, Entered, Idle, Job, Lapsed, Rejected, Silent, Verdict
from agent.core.jobs.fold import Event
from agent.core.ledger import Action
from agent.core.money import UNIT
from agent.errors import Refused, Unavailable
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.ledger.submission import Spent
from agent.market import records, settlement
from agent.market.bundle import Shelf
from agent.market.entry import EntryTerms
from agent.market.strikes import CLAIM, CLAWBACK

Events = list[Event]

VERDICTS: Mapping[str, type[Verdict]] = {"accepted": Accepted, "idle": Idle, "rejected": Rejected}
"""As the committee words them."""

LONGEST_SIGNED_S = 600
"""No entry is signed so long before its last second."""
FIRST_LEDGERS = 2
"""A history that begins there has all."""
LONGEST_LEDGER_S = 10
"""Seconds after which a ledger has surely closed: the time of the newest one is not asked for sooner than needed."""


@dataclass
class Verdicts:
    """Looks for the verdict on this vehicle's stakes."""

    horizon: Horizon
    shelf: Shelf
    vehicle: AccountId
    _not_before: dict[str, int] = field(default_factory=dict)
    """Stake → the ledger before which its window cannot be over."""

    def of(self, job: Job, terms: EntryTerms) -> Events:
        """The verdict as an event; none while there is nothing to say. Raises Unavailable."""
        stake = job.entry.stake_id
        if self.horizon.stake(stake) is not None:
            return self._waiting(job)
        as_of = self.horizon.latest
        if as_of and as_of < job.of(Entered).ledger:
            return []  # from before the entry
        found = self._in_history(job, terms) or self._in_records(job, terms, as_of)
        if found or isinstance(job.verdict, Silent):
            return found  # a silent one was taken back by this vehicle's own closing, or is being so
        return self._nobodys(job, as_of)

    def entered(self, job: Job, terms: EntryTerms, spent: Spent) -> Events:
        """What state says about an entry whose sequence number is used up while history does not show by what."""
        stake = self.horizon.stake(job.entry.stake_id)
        if self.horizon.latest < spent.ledger:
            return []
        if stake is not None:
            return [Entered(stake.last_modified, self._bids(terms, stake.last_modified))]
        verdict = self._in_records(job, terms, spent.ledger)
        if verdict:
            return [Entered(spent.ledger, self._bids(terms)), *verdict]
        why = f"{spent.why}; the ledger holds neither the stake nor a record that settled it"
        if self._remembers(job, spent.ledger):
            return [Lapsed(why)]
        return [
            Entered(spent.ledger, self._bids(terms)),
            *_gone(f"{why}. It may have been clawed back, and is not staked for again"),
        ]

    def _remembers(self, job: Job, as_of: int) -> bool:
        """Whether history goes back to before the entry was signed, and still does not show it: then another
        transaction used its number."""
        if self.horizon.find(job.entry.envelope.hash) is not None:
            return False
        reach = self.horizon.reach()  # after the look that it is to vouch for
        signed_at = job.entry.envelope.max_time - LONGEST_SIGNED_S
        is_whole = reach.elder <= FIRST_LEDGERS or self.horizon.ledger(reach.elder).closed_at < signed_at
        return is_whole and reach.latest >= as_of

    def _waiting(self, job: Job) -> Events:
        """The head is asked for only when the review window may be over: until then a look is one question."""
        stake, until = job.entry.stake_id, job.entry.take_back_at
        if isinstance(job.verdict, Silent) or self.horizon.latest < self._not_before.get(stake, 0):
            return []
        head = self.horizon.head()
        if head.closed_at >= until:
            return [Silent("nobody judged the contribution within the review window")]
        self._not_before[stake] = head.sequence + max(1, (until - head.closed_at) // LONGEST_LEDGER_S)
        return []

    def _in_history(self, job: Job, terms: EntryTerms) -> Events:
        stake = job.entry.stake_id
        for horizon in (self.horizon, self.horizon.archive):
            taken = _taken(horizon, stake) if horizon else None
            if horizon is None or taken is None:
                continue
            if taken.kind == CLAWBACK:
                return [Clawed(f"the operator clawed the stake back in transaction {taken.transaction}")]
            if taken.source != terms.settlement:
                return []
            transaction = horizon.find(taken.transaction)
            if transaction is not None:
                envelope = opened(transaction.envelope, horizon.passphrase)
                settled = settlement.read(envelope, terms.settlement).get(stake)
                if settled is None:
                    raise LedgerUnavailable(url=horizon.shown, why=f"shows another transaction as {transaction.hash}")
                verdict, reason = VERDICTS[settled.outcome], self._reason(envelope.memo, stake)
                return [verdict(reason, settled.credit, settled.returned, transaction.hash)]
        return []

    def _in_records(self, job: Job, terms: EntryTerms, as_of: int) -> Events:
        """Raises Unavailable while the records are not to be had and the review window is not over."""
        account = self.horizon.account(terms.settlement)
        if self.horizon.latest < as_of or account is None:
            raise LedgerUnavailable(url=self.horizon.shown, why=f"does not say what ledger {as_of} holds")
        try:
            found = records.settled(self.shelf, records.newest(account), job.entry.stake_id)
        except (Unavailable, Refused) as error:
            if self.horizon.head().closed_at < job.entry.take_back_at:
                raise
            return self._held(terms, str(error))
        if found is None:
            return []
        returned = 0 if found.outcome == "rejected" else found.stake - found.fee
        return [VERDICTS[found.outcome](found.reason, found.credit, returned)]

    def _nobodys(self, job: Job, as_of: int) -> Events:
        """Off the ledger, in no record, and in no history that was asked."""
        reach = self.horizon.reach()
        if reach.latest < as_of or reach.elder <= job.of(Entered).ledger:
            raise LedgerUnavailable(url=self.horizon.shown, why="does not say yet what became of a stake that is gone")
        return _gone(f"history begins at ledger {reach.elder}, and no record of the committee names it")

    def _held(self, terms: EntryTerms, why: str) -> Events:
        """The last resort, where the window is over and the records are not to be had: what this account holds, as
        far as one entry can be credited. It is this account's own to sell, whichever entry it was for."""
        account = self.horizon.account(self.vehicle)
        line = account.lines.get(terms.credit_asset) if account else None
        if line is None or not line.free:
            return _gone(why)
        return [Accepted(f"{why}: it is what this account was paid", credit=min(MOST_CREDIT * UNIT, line.free))]

    def _bids(self, terms: EntryTerms, ledger: int | None = None) -> tuple[int, ...]:
        """The vehicle's open bids for the round's credit; `ledger`: only those set in it."""
        return tuple(
            offer.id
            for offer in self.horizon.offers(self.vehicle)
            if offer.buying == terms.credit_asset and ledger in (None, offer.last_modified)
        )

    def _reason(self, memo: bytes | None, stake: str) -> str:
        """Why the committee decided as it did, from the record behind the settlement's memo; '' when it is not to
        be had now. The decision itself is the ledger's, so nothing waits for this."""
        try:
            record = self.shelf.record(Cid.v0(memo or b"").text)
        except (Unavailable, Refused):
            return ""
        return next((e.reason for e in record.entries if e.entry == stake), "")


def _gone(why: str) -> Events:
    return [Clawed(f"the stake is gone without a verdict: {why}")]


def _taken(horizon: Horizon, stake: StakeId) -> Action | None:
    """The operation that ended a stake, as far as history is remembered."""
    return next((a for a in horizon.actions_on(stake) if a.kind in (CLAIM, CLAWBACK)), None)
