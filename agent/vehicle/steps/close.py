"""The stake's fate is known: what came of it is fetched home, and the job ends.

A closing takes the stake back, redeems the credit and withdraws the bid, each by itself. A part that the ledger would
refuse today is left for another closing and told, so that it keeps nothing else back and costs no fee: pay that nobody
offers any more, a line that its issuer has frozen, a stake that the operator took, an owner's account that is gone.

Pay goes where `market.payout` says and nowhere before. What lies on the car above `market.keep` goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.jobs.contribution import Closed, Closing, Entered, Job, Partly, Silent
from agent.core.ledger import Account
from agent.core.money import XLM, Stroops, text
from agent.errors import TryAgain
from agent.ledger import submission
from agent.ledger.receipt import Received, received
from agent.market import entry
from agent.market.entry import EntryTerms
from agent.market.payout import TRIES, Redemption, converted
from agent.vehicle.context import Events, StepContext, not_entered
from agent.vehicle.steps.watch import watch

if TYPE_CHECKING:
    from stellar_sdk.operation import Operation


class Waits(TryAgain):
    """Something of this job cannot be had now: {why}. It is looked at again, at no cost, until it can."""


def close(context: StepContext, job: Job) -> Events:
    """Build the closing and sign it: only what the ledger would take now, so that no try costs a fee for nothing. Where
    nobody judged the contribution in time, a verdict that came after all is what counts. A job of which nothing is left
    to fetch ends without an envelope.

    Twice is harmless: nothing leaves the car here, and a second envelope is only ever built once the first can no
    longer apply.

    Raises Waits, where nothing can be done today; NotFunded.
    """
    silent = isinstance(job.verdict, Silent)
    staked = silent and context.horizon.stake(job.entry.stake_id) is not None
    if silent and not staked and (verdict := watch(context, job)):
        return verdict
    terms, account, head = context.terms(job), context.account(), context.horizon.head()
    payout = context.preferences.payout
    owner = context.horizon.account(payout.account) if payout else None
    made = possible(context, terms, job, account, owner, staked)
    if made.operations:
        operations = [*made.operations, *_above_keep(context, job, account, owner, len(made.operations))]
        envelope = context.envelope(account, operations, head.closed_at, job)
        return [Closing(envelope, made.waits)]
    if made.waits:
        raise Waits(why=made.waits)
    return [Closed()]


def collect(context: StepContext, job: Job) -> Events:
    """Hand the closing in and ask what became of it. One that left something out leads to another.

    Twice is harmless: the same envelope has the same hash, and a hash applies once.

    Raises LedgerUnavailable, while nothing says for certain what became of it.
    """
    outcome = submission.look(context.horizon, job.closing.envelope)
    if isinstance(outcome, submission.InLedger):
        if job.closing.waits:
            return [Partly()]
        return [_closed(context, received(outcome.result))]
    if isinstance(outcome, submission.Spent) and job.credit and not job.closing.waits:
        return _forgotten(context, job, outcome)
    return not_entered(outcome)


def _forgotten(context: StepContext, job: Job, spent: submission.Spent) -> Events:
    """What state says of a closing whose number is used up while history does not show by what: a credit that is gone
    was redeemed by it, at its least amount or better. One that is there was not."""
    account = context.account()
    if context.horizon.latest < spent.ledger:
        return []
    line = account.lines.get(context.terms(job).credit_asset)
    if line is None or line.balance < job.credit:
        return [Closed(entry.least(job.credit, job.reward))]
    return not_entered(spent)


def _closed(context: StepContext, pay: Received | None) -> Closed:
    if pay is None:
        return Closed()
    paid_to = None if pay.to == context.keypair.public_key else pay.to
    if pay.asset.is_native:
        return Closed(pay.xlm, paid_to)
    return Closed(pay.xlm, paid_to, pay.amount, str(pay.asset))


@dataclass(frozen=True, slots=True)
class Possible:
    """What a closing is made of now."""

    operations: Sequence[Operation]
    waits: str = ""
    """What cannot be done now, as a sentence, or ''."""


def possible(
    context: StepContext, terms: EntryTerms, job: Job, account: Account, owner: Account | None, staked: bool
) -> Possible:
    """Of a settled job. `owner`: the account of `market.payout`, where there is one. `staked`: its stake is on the
    ledger and nobody judged it. Raises Unavailable."""
    still_open = {offer.id for offer in context.horizon.offers(account.id)}
    bids = [bid for bid in job.of(Entered).bids if bid in still_open]
    take_back, redemption, waits = None, None, ""
    if staked:
        waits = _not_taken_back(terms, account, job.stake)
        take_back = None if waits else job.entry.stake_id
    if job.credit:
        found = _redeemed(context, terms, job, account, owner)
        redemption, waits = (None, found) if isinstance(found, str) else (found, "")
    return Possible(entry.closing(terms, take_back=take_back, redemption=redemption, bids=bids), waits)


def _not_taken_back(terms: EntryTerms, account: Account, stake: Stroops) -> str:
    """Why the ledger would not give the stake back to the account, or ''."""
    line = account.lines.get(terms.dlc)
    if line is None or not line.authorized:
        return f"the operator does not let this account hold the {text(stake)} DLC of its stake"
    if line.room < stake:
        return f"this account's line of DLC has no room for the {text(stake)} of its stake"
    return ""


def _redeemed(
    context: StepContext, terms: EntryTerms, job: Job, account: Account, owner: Account | None
) -> Redemption | str:
    """How the credit becomes pay, or why it does not now."""
    credit, least, payout = job.credit, entry.least(job.credit, job.reward), context.preferences.payout
    line, owed = account.lines.get(terms.credit_asset), f"{text(credit)} {terms.credit_asset.code}"
    if line is None or line.free < credit:
        return f"the account does not hold the {owed} that it was credited: their issuer can say why"
    if not line.authorized:
        return f"the issuer of {terms.credit_asset.code} has frozen the {owed} that this account was credited"
    way = context.horizon.proceeds(terms.credit_asset, credit, XLM)
    if way is None or way.amount < least:
        best = f", at best {text(way.amount)}" if way else ""
        return f"nobody pays {text(least)} XLM for {owed} now{best}"
    if payout is None:
        return Redemption(account.id, credit, XLM, least, way.path)
    if why := payout.refusal(owner):
        return why
    assert owner is not None  # noqa: S101  (else it is refused)
    pay = Redemption(payout.to, credit, XLM, least, way.path)
    return pay if job.refusals >= TRIES else converted(context.horizon, pay, way.amount, payout, owner)


def _above_keep(
    context: StepContext, job: Job, account: Account, owner: Account | None, others: int
) -> list[Operation]:
    """The payment to the owner of what is above `market.keep` and not needed by any job, or none. `others`: how many
    operations the closing has beside it."""
    payout = context.preferences.payout
    if payout is None or payout.keep is None or payout.account == account.id or payout.refusal(owner):
        return []
    amount = min(account.lines[XLM].balance - payout.keep, context.spare(account, job, others + 1))
    return entry.sweep(payout.to, amount) if amount > 0 else []
