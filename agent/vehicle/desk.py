"""What a job is owed, done: one errand per step, each returning the events to be written down, or none to wait.

Errands run one at a time beside the daemon's loop, so that a slow network never stops the odometer. Each may run
twice; its docstring says why that is harmless. Whatever must not be done twice is in the journal, signed, first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from agent import errors
from agent.core import ledger
from agent.core.choice import Candidate, lacking, net_pay, unwanted
from agent.core.documents import Round
from agent.core.experience import Deed
from agent.core.ids import AccountId, CidText
from agent.core.jobs.contribution import (
    Chosen,
    Closed,
    Closing,
    Entered,
    Fetched,
    Job,
    Lapsed,
    Partly,
    Passed,
    Refused,
    Signed,
    Silent,
    Step,
    Stored,
    Trained,
)
from agent.core.jobs.fold import Event
from agent.core.ledger import Account, Head, Way
from agent.core.money import XLM, Asset, Stroops, text
from agent.errors import TryAgain, Unavailable
from agent.ledger import submission
from agent.ledger.envelope import build, signed, stake_id
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids, received
from agent.ledger.submission import look
from agent.market import bundle, entry, standing
from agent.market.listing import Listing
from agent.vehicle.closing import closing
from agent.vehicle.offers import Market, View, listings, promised, survey, unwilling
from agent.vehicle.settings import Preferences
from agent.vehicle.verdict import Verdicts
from agent.vehicle.workshop import Workshop

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation


Events = list[Event]

VALID_S = 120
"""Seconds of ledger time in which an envelope may apply. PROTOCOL section 5 allows 300."""

PART_OF_WINDOW = 4
"""An entry applies within this part of its round's review window: its moment to take the stake back is counted from
when it was signed, and validators turn down one that has less than half the window left."""

MOST_REFUSALS = 5
"""Entries that a ledger turned down before the job gives up. A closing never gives up: it is the vehicle's money."""

PATIENCE_LEDGERS = 17_280
"""A day: so long a contribution is kept ready while nobody has the round that is on offer."""

MOST_DOUBLINGS = 16
"""Of a bid after lapses: the owner's limit is reached long before."""


class NotAuthorised(TryAgain):
    """The operator has not authorised this vehicle's DLC trustline yet"""


@dataclass
class Desk:
    """Everything the errands need."""

    preferences: Preferences
    horizon: Horizon
    shelf: bundle.Shelf
    keypair: Keypair
    workshop: Workshop
    deeds: Callable[[], Sequence[Deed]]
    """What this vehicle's trips came to, oldest first."""
    last_choice: Callable[[], Chosen | None] = lambda: None
    """What the last job chose: what to train on while nobody can be asked."""
    open_jobs: Callable[[], Collection[Job]] = tuple
    """The vehicle's jobs that are not over."""

    def __post_init__(self) -> None:
        self._verdicts = Verdicts(self.horizon, self.shelf, self.keypair.public_key)

    def do(self, job: Job, step: Step) -> Events:
        """Run the errand for a step. Raises Unavailable or TryAgain (wait), other MilepostErrors (wait longer).

        What is refused for good before anything was staked ends the job: time does not mend it.
        """
        try:
            return ERRANDS[step](self, job)
        except errors.Refused as error:
            if step in UNSTAKED:
                return [Passed(str(error))]
            raise

    # --- before the trip ends

    def choose(self, job: Job) -> Events:
        """Reads only. Another look may choose differently; only what is written down counts.

        Without a network it is the last choice again, where its round is still here. Nothing is at stake before
        `sign`, and that asks the ledger whether the round is still open.
        """
        try:
            account = self._enrolled()
            market = self.survey(account, job)
        except Unavailable:
            last = self.last_choice()
            if last and self.shelf.holds(last.round):
                return [replace(last, offline=True)]
            raise
        winner = market.winner
        offers = [numbers(r.candidate, r.net, r.lost) for r in market.ranked]
        if winner is None:
            raise NoOffer(why="; ".join([*(o["lost"] for o in offers), *market.passed_over]) or "nobody offers any")
        return [
            Chosen(
                round=CidText(winner.cid),
                number=winner.round,
                model=winner.model,
                offer=winner.offer,
                reward=winner.reward,
                stake=winner.stake,
                fee=winner.fee,
                planned=winner.planned,
                offers=tuple(offers),
                passed_over=market.passed_over,
            )
        ]

    def survey(self, account: Account | None = None, job: Job | None = None) -> Market:
        """The offers as they are now, for a new job. `job`: the one that chooses."""
        account = account or self._account()
        others = [each for each in self.open_jobs() if job is None or each.id != job.id]
        return survey(self._view(account, self.horizon.head(), others), self.shelf, self.workshop.unfit)

    def fetch(self, job: Job) -> Events:
        """The shelf holds what was fetched before."""
        self.shelf.get(job.choice.round, bundle.ROUND_LIMITS)
        return [Fetched()]

    # --- at arrival

    def store(self, job: Job) -> Events:
        """The same bytes have the same CID."""
        try:
            cid = self.shelf.store.put(self.workshop.home(job) / "contribution")
        except Unavailable:
            if not isinstance(offered := self._offered(self._round(job), self.horizon.head()), Listing):
                return [Passed(offered)]
            raise
        return [Stored(CidText(str(cid)))]

    # --- on the ledger

    def sign(self, job: Job) -> Events:
        """Nothing leaves the car here. A second envelope is only ever built once the first can no longer apply.

        Everything is looked at anew: the round's offer and what it pays, the stake, the price of missing DLC, and what
        the account can carry. What is lacking may come: that waits, for as long as the round is open.
        """
        if job.refusals >= MOST_REFUSALS:
            return [Passed(f"the ledger turned the entry down: {job.of(Refused).codes}")]
        round_, account, head = self._round(job), self._enrolled(), self.horizon.head()
        if not isinstance(offered := self._offered(round_, head), Listing):
            return [Passed(offered)]
        entered = [each for each in self.open_jobs() if each.newest(Entered)]
        view = self._view(account, head, entered, job)
        against = unwilling(self.preferences, round_) or standing.look(self.horizon, round_)
        now = view.candidate(offered, round_, against, job.of(Trained).steps)
        if against := unwanted(now, net_pay(now, view.means), view.means):
            done = f"{now.steps} of {now.planned} steps were done: " if now.steps < now.planned else ""
            return [Passed(done + against)]
        if lacks := lacking(now, view.means):
            raise NotEnough(why=lacks)
        buy = self._purchase(job, round_, now, view.means.buy_budget)
        operations = entry.entry(round_, account, now.stake, buy, head.closed_at)
        made = self._signed(
            account, operations, head.closed_at, job, min(VALID_S, round_.review_window // PART_OF_WINDOW)
        )
        return [
            Signed(
                envelope=made,
                stake=now.stake,
                fee=now.fee,
                reward=now.reward,
                stake_asset=round_.stake.asset,
                settled_by=AccountId(round_.settlement),
                stake_id=stake_id(made.envelope, self.horizon.passphrase, len(operations) - 1),
                take_back_at=head.closed_at + round_.review_window,
            )
        ]

    def submit(self, job: Job) -> Events:
        """The same envelope has the same hash, and a hash applies once."""
        outcome = look(self.horizon, job.entry.envelope)
        if isinstance(outcome, submission.Spent):
            events = self._verdicts.entered(job, self._terms(job), outcome)
        elif isinstance(outcome, submission.Entered):
            events = [Entered(outcome.ledger, tuple(offer_ids(outcome.result).values()))]
        else:
            events = _not_entered(outcome)
        if events and isinstance(events[0], Entered):
            self.workshop.keep_residual(job)
        return events

    def watch(self, job: Job) -> Events:
        """Reads only."""
        return self._verdicts.of(job, self._terms(job))

    def close(self, job: Job) -> Events:
        """As `sign`. Only what the ledger would take now is signed, so that no try costs a fee for nothing."""
        silent = isinstance(job.verdict, Silent)
        staked = silent and self.horizon.stake(job.entry.stake_id) is not None
        if silent and not staked and (verdict := self.watch(job)):
            return verdict
        terms, account, head = self._terms(job), self._account(), self.horizon.head()
        made = closing(self.horizon, terms, job, account, staked)
        if made.operations:
            envelope = self._signed(account, made.operations, head.closed_at, job)
            return [Closing(envelope, made.waits)]
        if made.waits:
            raise Waits(why=made.waits)
        return [Closed()]

    def collect(self, job: Job) -> Events:
        """As `submit`."""
        outcome = look(self.horizon, job.closing.envelope)
        if isinstance(outcome, submission.Entered):
            return [Partly() if job.closing.waits else Closed(received(outcome.result))]
        return _not_entered(outcome)

    # --- beneath

    def _round(self, job: Job) -> Round:
        return self.shelf.round(job.choice.round)

    def _terms(self, job: Job) -> entry.Terms:
        """As they were written down with the entry; a journal of an earlier version asks the round."""
        signed = job.entry
        if signed.stake_asset is None or signed.settled_by is None:
            return entry.Terms.of(self._round(job))
        return entry.Terms(Asset.parse(signed.stake_asset), Asset.parse(job.choice.model), signed.settled_by)

    def _offered(self, round_: Round, head: Head) -> Listing | str:
        """What the model's newest round is offered for, or why a stake on this one would be lost."""
        found, _ = listings(self.horizon, [round_.initiator])
        offered = next((each for each in found if each.offer.buying == round_.model_asset), None)
        if offered is None:
            return f"{round_.model} is not offered any more"
        if head.sequence < offered.ledger:
            return offered  # what is on offer opens later: until then entries join the round before it
        try:
            newest = self.shelf.round(offered.cid).number
        except Unavailable:
            if head.sequence < offered.ledger + PATIENCE_LEDGERS:
                raise
            return f"the round that {round_.model} is offered for is not to be had"
        if newest - round_.number > round_.staleness:
            return f"round {round_.number} is closed: the newest is {newest}"
        return offered

    def _view(self, account: Account, head: Head, others: Collection[Job], job: Job | None = None) -> View:
        bid = self._bid(job)
        owed = promised(others, account, bid)
        return View(self.horizon, self.preferences, account, head, bid, self.deeds(), owed)

    def _purchase(self, job: Job, round_: Round, now: Candidate, budget: Stroops) -> Way:
        """At most so much for the missing DLC, and the way on which they are to be had."""
        way = self.horizon.cost(Asset.parse(round_.stake.asset), now.missing, XLM) if now.missing else Way(0)
        if way is None:
            raise NotEnough(why=f"{text(now.missing)} DLC are missing and nobody sells so many")
        return Way(entry.most(way.amount, job.refusals, budget), way.path)

    def _account(self) -> Account:
        account = self.horizon.account(self.keypair.public_key)
        if account is None:
            raise NotFunded(account=self.keypair.public_key)
        return account

    def _enrolled(self) -> Account:
        """The account, once it may hold DLC. Opening the trustline twice changes nothing."""
        account = self._account()
        if self.preferences.operator is None:
            return account
        dlc = Asset("DLC", self.preferences.operator)
        line = account.lines.get(dlc)
        if line is None:
            from stellar_sdk import ChangeTrust

            from agent.ledger.envelope import sdk_asset

            head = self.horizon.head()
            made = self._signed(account, [ChangeTrust(sdk_asset(dlc))], head.closed_at, None)
            self.horizon.hand_in(made.envelope)
            raise NotAuthorised()
        if not line.authorized:
            raise NotAuthorised()
        return account

    def _signed(
        self, account: Account, operations: Sequence[Operation], now: int, job: Job | None, valid_s: int = VALID_S
    ) -> ledger.Signed:
        from agent.core.cid import Cid

        memo = Cid.parse(job.contribution).digest if job else None  # a trustline is about no document
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.horizon.passphrase,
            fee=self._bid(job),
            max_time=now + valid_s,
            memo=memo,
        )
        return signed(envelope, self.keypair)

    def _bid(self, job: Job | None) -> Stroops:
        """For each operation: what is asked now, twice that for each envelope of the job that no ledger took."""
        most = self.preferences.max_fee
        return min(most, self.horizon.bid(most) << min(job.lapses, MOST_DOUBLINGS)) if job else self.horizon.bid(most)


class NoOffer(TryAgain):
    """There is no training offer that suits this vehicle: {why}"""


class NotEnough(TryAgain):
    """The contribution is ready, but {why}. It is entered as soon as that is there, while its round is open."""


class Waits(TryAgain):
    """Something of this job cannot be had now: {why}. It is looked at again, at no cost, until it can."""


class NotFunded(Unavailable):
    """The account {account} is not on the ledger. Send it some XLM; until then nothing can be entered."""


ERRANDS: dict[Step, Callable[[Desk, Job], Events]] = {
    Step.CHOOSE: Desk.choose,
    Step.FETCH: Desk.fetch,
    Step.FINISH: lambda desk, job: desk.workshop.finish(job),
    Step.STORE: Desk.store,
    Step.SIGN: Desk.sign,
    Step.SUBMIT: Desk.submit,
    Step.WATCH: Desk.watch,
    Step.CLOSE: Desk.close,
    Step.COLLECT: Desk.collect,
}

UNSTAKED = (Step.FETCH, Step.FINISH, Step.STORE, Step.SIGN)
"""Steps of a job that has nothing at stake yet, and whose end nobody else will bring about."""


def _not_entered(outcome: object) -> Events:
    if outcome is None:
        return []
    if isinstance(outcome, (submission.Lapsed, submission.Spent)):  # a closing is built anew from what the ledger holds
        return [Lapsed(outcome.why)]
    return [Refused(getattr(outcome, "codes", ""))]


def numbers(candidate: Candidate, net: int, lost: str) -> dict[str, Any]:
    """For the journal and as JSON: fractions as text."""
    plain = {k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(candidate).items()}
    return {**plain, "net": net, "lost": lost}
