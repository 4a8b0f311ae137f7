"""What the steps of a job share: account, ledger and shelf, and how an envelope is bid for and signed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core import ledger
from agent.core.experience import Deed
from agent.core.ids import AccountId
from agent.core.jobs.contribution import Chosen, Job, Lapsed, Refused
from agent.core.ledger import Account, Head
from agent.core.money import XLM, Asset, Stroops
from agent.core.round import Round
from agent.errors import TryAgain, Unavailable
from agent.ledger import submission
from agent.ledger.envelope import build, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.market import bundle, entry
from agent.market.listing import signs
from agent.market.ownership import owner_of
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.offers import Survey, VehicleView, promised, survey
from agent.vehicle.settings import Preferences
from agent.vehicle.verdict import Events as Events
from agent.vehicle.verdict import Verdicts

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation

VALID_S = 120
"""Seconds of ledger time in which an envelope may apply. PROTOCOL section 5 allows 300."""

PATIENCE_LEDGERS = 17_280
"""A day: so long a contribution is kept ready while nobody has the round that is on offer."""

MOST_DOUBLINGS = 16
"""Of a bid after lapses: the owner's limit is reached long before."""


class NotAuthorised(TryAgain):
    """The operator has not authorised this vehicle's DLC trustline yet"""


class NotFunded(Unavailable):
    """The account {account} is not on the ledger. Send it some XLM; until then nothing can be entered."""


@dataclass
class StepContext:
    """What every step is done with. Its methods read, but for `enrolled`."""

    preferences: Preferences
    horizon: Horizon
    shelf: bundle.Shelf
    keypair: Keypair
    builder: ContributionBuilder
    deeds: Callable[[], Sequence[Deed]]
    """What this vehicle's trips came to, oldest first."""
    last_choice: Callable[[], Chosen | None] = lambda: None
    """What the last job chose: what to train on while nobody can be asked."""
    open_jobs: Callable[[], Collection[Job]] = tuple
    """The vehicle's jobs that are not over."""

    owner: AccountId | None = None
    """Whose key had the last word on the account when it was looked at last; None: nobody's, or it was not."""

    def __post_init__(self) -> None:
        self.verdicts = Verdicts(self.horizon, self.shelf, account_of(self.keypair))

    def survey(self, account: Account | None = None, job: Job | None = None) -> Survey:
        """The offers as they are now, for a new job. `job`: the one that chooses."""
        account = account or self.account()
        others = [each for each in self.open_jobs() if job is None or each.id != job.id]
        return survey(self.view(account, self.horizon.head(), others), self.shelf, self.builder.unfit)

    def round(self, job: Job) -> Round:
        return self.shelf.round(job.choice.round)

    def terms(self, job: Job) -> entry.EntryTerms:
        """As they were written down with the entry; a journal of an earlier version asks the round."""
        entered = job.entry
        if entered.stake_asset is None or entered.settled_by is None:
            return entry.EntryTerms.of(self.round(job))
        return entry.EntryTerms(Asset.parse(entered.stake_asset), Asset.parse(job.choice.model), entered.settled_by)

    def closed(self, round_: Round, head: Head) -> str:
        """Why a stake on a round would be lost, as a sentence, or ''. Whether it still stands on the book says nothing:
        its pay is locked."""
        account = self.horizon.account(round_.initiator)
        sign = signs(account).get(round_.model_asset.code) if account is not None else None
        if sign is None:
            return f"{round_.model} is not offered any more"
        if head.sequence < sign.ledger:
            return ""  # what is on offer opens later: until then entries join the round before it
        try:
            newest = self.shelf.round(sign.cid)
        except Unavailable:
            if head.sequence < sign.ledger + PATIENCE_LEDGERS:
                raise
            return f"the round that {round_.model} is offered for is not to be had"
        if newest.model != round_.model:
            return f"{round_.model} is not offered any more"
        if newest.number - round_.number > round_.staleness:
            return f"round {round_.number} is closed: the newest is {newest.number}"
        if newest.committee != round_.committee:
            return f"round {round_.number} is closed: another committee judges round {newest.number}"
        return ""

    def view(self, account: Account, head: Head, others: Collection[Job], job: Job | None = None) -> VehicleView:
        bid = self._bid(job)
        owed = promised(others, account, bid)
        return VehicleView(self.horizon, self.preferences, account, head, bid, self.deeds(), owed)

    def spare(self, account: Account, job: Job, operations: int) -> Stroops:
        """XLM that neither a closing of so many operations nor the vehicle's other jobs need."""
        bid = self._bid(job)
        others = [each for each in self.open_jobs() if each.id != job.id]
        return account.free(XLM) - promised(others, account, bid).xlm - operations * bid

    def account(self) -> Account:
        account = self.horizon.account(self.keypair.public_key)
        if account is None:
            raise NotFunded(account=self.keypair.public_key)
        self.owner = owner_of(account)
        return account

    def enrolled(self) -> Account:
        """The account, once it may hold DLC. Opening the trustline twice changes nothing."""
        account = self.account()
        if self.preferences.operator is None:
            return account
        dlc = Asset("DLC", self.preferences.operator)
        line = account.lines.get(dlc)
        if line is None:
            from stellar_sdk import ChangeTrust

            from agent.ledger.envelope import sdk_asset

            head = self.horizon.head()
            made = self.envelope(account, [ChangeTrust(sdk_asset(dlc))], head.closed_at, None)
            self.horizon.hand_in(made.envelope)
            raise NotAuthorised()
        if not line.authorized:
            raise NotAuthorised()
        return account

    def envelope(
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


def not_entered(outcome: object) -> Events:
    """What it means that an envelope is in no ledger, or failed in one; nothing while it still may come."""
    if outcome is None:
        return []
    if isinstance(outcome, (submission.Lapsed, submission.Spent)):  # a closing is built anew from what the ledger holds
        return [Lapsed(outcome.why)]
    return [Refused(getattr(outcome, "codes", ""))]
