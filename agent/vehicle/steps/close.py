"""The stake's fate is known: what came of it is fetched home, and the job ends.

A closing takes the stake back, redeems the credit and withdraws the bid, each by itself. A part that the ledger would
refuse today is left for another closing and told, so that it keeps nothing else back and costs no fee: pay that nobody
offers any more, a line that its issuer has frozen, a stake that the operator took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.jobs.contribution import Closed, Closing, Entered, Job, Partly, Silent
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, Stroops, text
from agent.errors import TryAgain
from agent.ledger import submission
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import received
from agent.market import entry
from agent.market.entry import EntryTerms
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
    made = possible(context.horizon, terms, job, account, staked)
    if made.operations:
        envelope = context.envelope(account, made.operations, head.closed_at, job)
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
    if isinstance(outcome, submission.Entered):
        return [Partly() if job.closing.waits else Closed(received(outcome.result))]
    return not_entered(outcome)


@dataclass(frozen=True, slots=True)
class Possible:
    """What a closing is made of now."""

    operations: Sequence[Operation]
    waits: str = ""
    """What cannot be done now, as a sentence, or ''."""


def possible(horizon: Horizon, terms: EntryTerms, job: Job, account: Account, staked: bool) -> Possible:
    """Of a settled job. `staked`: its stake is on the ledger and nobody judged it. Raises Unavailable."""
    still_open = {offer.id for offer in horizon.offers(account.id)}
    bids = [bid for bid in job.of(Entered).bids if bid in still_open]
    credit = job.credit
    least = entry.least(credit, job.reward)
    take_back, waits = None, ""
    path: tuple[Asset, ...] = ()
    if staked:
        waits = _not_taken_back(terms, account, job.stake)
        take_back = None if waits else job.entry.stake_id
    if credit:
        path, waits = _redeemed(horizon, terms, account, credit, least)
        credit = 0 if waits else credit
    made = entry.closing(terms, account.id, take_back=take_back, credit=credit, least=least, path=path, bids=bids)
    return Possible(made, waits)


def _not_taken_back(terms: EntryTerms, account: Account, stake: Stroops) -> str:
    """Why the ledger would not give the stake back to the account, or ''."""
    line = account.lines.get(terms.dlc)
    if line is None or not line.authorized:
        return f"the operator does not let this account hold the {text(stake)} DLC of its stake"
    if line.room < stake:
        return f"this account's line of DLC has no room for the {text(stake)} of its stake"
    return ""


def _redeemed(
    horizon: Horizon, terms: EntryTerms, account: Account, credit: Stroops, least: Stroops
) -> tuple[tuple[Asset, ...], str]:
    """(the way on which a credit becomes XLM, '') or ((), why it does not now)."""
    line, owed = account.lines.get(terms.credit_asset), f"{text(credit)} {terms.credit_asset.code}"
    if line is None or line.free < credit:
        return (), f"the account does not hold the {owed} that it was credited: their issuer can say why"
    if not line.authorized:
        return (), f"the issuer of {terms.credit_asset.code} has frozen the {owed} that this account was credited"
    way = horizon.proceeds(terms.credit_asset, credit, XLM)
    if way is None or way.amount < least:
        best = f", at best {text(way.amount)}" if way else ""
        return (), f"nobody pays {text(least)} XLM for {owed} now{best}"
    return way.path, ""
