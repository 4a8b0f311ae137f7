"""The contribution is stored: its entry is signed, and handed in until a ledger holds it or never can."""

from __future__ import annotations

from agent.core.choice import Candidate, lacking, net_pay, unwanted
from agent.core.jobs.contribution import Entered, Job, Passed, Refused, Signed, Trained
from agent.core.ledger import Way
from agent.core.money import XLM, Stroops, text
from agent.core.round import Round
from agent.errors import TryAgain
from agent.ledger import submission
from agent.ledger.envelope import stake_id
from agent.ledger.receipt import offer_ids
from agent.market import entry
from agent.vehicle.context import VALID_S, Events, StepContext, not_entered
from agent.vehicle.offers import Shown, untrusted

PART_OF_WINDOW = 4
"""An entry applies within this part of its round's review window: its moment to take the stake back is counted from
when it was signed, and validators turn down one that has less than half the window left."""

MOST_REFUSALS = 5
"""Entries that a ledger turned down before the job gives up. A closing never gives up: it is the vehicle's money."""


class NotEnough(TryAgain):
    """The contribution is ready, but {why}. It is entered as soon as that is there, while its round is open."""


def sign(context: StepContext, job: Job) -> Events:
    """Build the entry and sign it. Everything is looked at anew: whether the round is open, the pay that is locked for
    it, the stake, the price of missing DLC, and what the account can carry. What is lacking may come: that waits, for
    as long as the round is open. What is not worth its stake any more ends the job.

    Twice is harmless: nothing leaves the car here, and a second envelope is only ever built once the first can no
    longer apply.

    Raises NotEnough; NotFunded, NotAuthorised.
    """
    if job.refusals >= MOST_REFUSALS:
        return [Passed(f"the ledger turned the entry down: {job.of(Refused).codes}")]
    round_, account, head = context.round(job), context.enrolled(), context.horizon.head()
    if closed := context.closed(round_, head):
        return [Passed(closed)]
    entered = [each for each in context.open_jobs() if each.newest(Entered)]
    view = context.view(account, head, entered, job)
    against = untrusted(context.preferences, context.horizon, context.shelf, job.choice.round, round_)
    shown = Shown(job.choice.round, job.choice.offer)
    now = view.candidate(shown, round_, against, job.of(Trained).steps)
    if against := unwanted(now, net_pay(now, view.means), view.means):
        done = f"{now.steps} of {now.planned} steps were done: " if now.steps < now.planned else ""
        return [Passed(done + against)]
    if lacks := lacking(now, view.means):
        raise NotEnough(why=lacks)
    buy = _purchase(context, job, round_, now, view.means.buy_budget)
    operations = entry.entry(round_, account, now.stake, buy, head.closed_at)
    made = context.envelope(
        account, operations, head.closed_at, job, min(VALID_S, round_.review_window // PART_OF_WINDOW)
    )
    return [
        Signed(
            envelope=made,
            stake=now.stake,
            fee=now.fee,
            reward=now.reward,
            stake_asset=round_.stake.asset,
            settled_by=round_.settlement,
            stake_id=stake_id(made.envelope, context.horizon.passphrase, len(operations) - 1),
            take_back_at=head.closed_at + round_.review_window,
        )
    ]


def submit(context: StepContext, job: Job) -> Events:
    """Hand the entry in and ask what became of it. Where history does not say, the ledger's state does. Once it is in,
    what the update left out is kept for the next one.

    Twice is harmless: the same envelope has the same hash, and a hash applies once.

    Raises LedgerUnavailable, while nothing says for certain what became of it.
    """
    outcome = submission.look(context.horizon, job.entry.envelope)
    if isinstance(outcome, submission.Spent):
        events = context.verdicts.entered(job, context.terms(job), outcome)
    elif isinstance(outcome, submission.InLedger):
        events = [Entered(outcome.ledger, tuple(offer_ids(outcome.result).values()))]
    else:
        events = not_entered(outcome)
    if events and isinstance(events[0], Entered):
        context.builder.keep_residual(job)
    return events


def _purchase(context: StepContext, job: Job, round_: Round, now: Candidate, budget: Stroops) -> Way:
    """At most so much for the missing DLC, and the way on which they are to be had."""
    way = context.horizon.cost(round_.stake_asset, now.missing, XLM) if now.missing else Way(0)
    if way is None:
        raise NotEnough(why=f"{text(now.missing)} DLC are missing and nobody sells so many")
    return Way(entry.most(way.amount, job.refusals, budget), way.path)
