"""The initiator's side of pledged pay: what a publication locks, brings and takes back, and what goes by itself.

Taking back needs no journal: a balance is claimed once, whoever asks how often, and it comes to the initiator. Adding
does: a second balance is a second one.
"""

from __future__ import annotations

from dataclasses import dataclass

from stellar_sdk import ClaimClaimableBalance, Payment
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.ids import CidText, StakeId
from agent.core.jobs import addition
from agent.core.jobs.addition import Addition
from agent.core.jobs.fold import Event
from agent.core.jobs.round import Lapsed, RoundState, RoundStep
from agent.core.ledger import BALANCE_V0, BASE_RESERVE
from agent.core.money import UNIT, XLM, Stroops, text
from agent.core.round import Pledge, Round
from agent.errors import Refused
from agent.initiator.book import PLEDGE
from agent.initiator.plan import Plan
from agent.initiator.submitting import Submitter
from agent.ledger.envelope import sdk_asset, stake_id
from agent.ledger.horizon import Horizon
from agent.ledger.submission import InLedger, Refusal, look
from agent.market import pledge, publish
from agent.market.bundle import Shelf
from agent.market.publish import Sign

LEAST_SETTLEMENT_XLM: Stroops = 20 * UNIT
"""With fewer that the settlement account can spend, the next publication brings it so many more."""
MOST_CLAIMED = 100
"""Balances that one transaction claims."""
MOST_BACK = 5
"""Earlier rounds' pledges that a publication takes back."""
SUBENTRIES = 5
"""Of an initiator, that a publication may add: the sign, its data entry, and a balance with up to three claimants."""
MOST_CLAIMANTS = 3
"""Of a balance of the pledge: as many base reserves are kept for it."""


class TooLittle(Refused):
    """Publishing takes {needed} XLM, {pledge} of it the round's pay, and {free} are free. What is left of the pay of
    earlier rounds comes back with `milepost initiator reclaim`."""


def pledged(plan: Plan, document: Round, before: Pledge | None) -> Pledge:
    """What is locked for a round that is published now: until all that may be entered is judged, and for longer than
    for the round before."""
    until = max(pay.until(document), before.until + 1 if before is not None else 0)
    return plan.pledge(until)


def publication(horizon: Horizon, document: Round, sign: Sign, now: int) -> list[Operation]:
    """The sign, new or the standing one, and the round's pay locked; earlier pledges that are due come back, and the
    settlement account is brought what it lacks. Raises TooLittle, Unavailable."""
    assert document.pledge is not None  # noqa: S101
    reward, amount = document.pledge.reward, document.pledge.amount
    account, settlement = horizon.account(document.initiator), horizon.account(document.settlement)
    back = pledge.due_back(horizon, document.initiator, document.settlement, now)[:MOST_BACK]
    brings = LEAST_SETTLEMENT_XLM if settlement and settlement.free(XLM) < LEAST_SETTLEMENT_XLM else 0
    has = (account.free(XLM) if account else 0) + sum(each.amount for each in back)
    needed = amount + brings + SUBENTRIES * BASE_RESERVE + (0 if sign.offer else reward)
    if has < needed:
        raise TooLittle(needed=text(needed), pledge=text(amount), free=text(has))
    return [
        *(ClaimClaimableBalance(BALANCE_V0 + each.id) for each in back),
        *publish.offer(document.model_asset, reward, reward, sign),
        pledge.create(document, amount),
        *([Payment(document.settlement, sdk_asset(XLM), text(brings))] if brings else []),
    ]


def add(submitter: Submitter, cid: CidText, round_: Round, amount: Stroops) -> Addition:
    """Lock so much more for a round. An addition that is under way is followed first: if it is the same, it is this
    one. Raises Refused, TooLittle, Unavailable."""
    book, what = submitter.book, f"adding to the pledge of {cid}"
    if round_.pledge is None:
        raise Refused(what=what, why="an older version published the round: it has none")
    under_way = next((job for job in book.additions if not job.is_over), None)
    if under_way is not None:
        before = under_way.of(addition.Signed)
        if (before.cid, before.amount) != (cid, amount):
            raise Refused(what=what, why=f"{text(before.amount)} are on their way to {before.cid}: ask for these again")
        return _followed(submitter, under_way.id)
    account = submitter.horizon.account(submitter.account)
    free = account.free(XLM) if account else 0
    if free < (needed := amount + MOST_CLAIMANTS * BASE_RESERVE):
        raise TooLittle(needed=text(needed), pledge=text(amount), free=text(free))
    job_id = f"{PLEDGE}{len(book.additions) + 1}"
    made = submitter.signed([pledge.create(round_, amount)], cid)
    submitter.record(job_id, addition.Signed(made, cid, amount))
    return _followed(submitter, job_id)


def _followed(submitter: Submitter, job_id: str) -> Addition:
    def submit(job: Addition) -> None:
        envelope = job.of(addition.Signed).envelope

        def by_state(why: str) -> Event:
            balance = stake_id(envelope.envelope, submitter.horizon.passphrase, 0)
            there = submitter.horizon.stake(balance) is not None or submitter.horizon.touching(balance)
            return addition.Locked() if there else Lapsed(why)

        submitter.follow(job.id, envelope, lambda found: addition.Locked(found.ledger), by_state)

    return submitter.done(lambda: submitter.book.addition(job_id), {RoundStep.SUBMIT: submit})


def reclaim(submitter: Submitter) -> Stroops:
    """Take back what is left of pledges that are due, and say how much that was. May run any number of times. Raises
    Refused, Unavailable."""
    settlement, back, failed = submitter.book.settlement, 0, set[StakeId]()
    while settlement is not None:
        now = submitter.horizon.head().closed_at
        found = pledge.due_back(submitter.horizon, submitter.account, settlement, now)
        due = [each for each in found if each.id not in failed][:MOST_CLAIMED]
        if not due:
            break
        made = submitter.signed([ClaimClaimableBalance(BALANCE_V0 + each.id) for each in due], None)
        while (outcome := look(submitter.horizon, made)) is None:
            submitter.wait()
        if isinstance(outcome, Refusal):  # another call of ours took one of them; what is left is for the next call
            submitter.say(f"the claim of {len(due)} pledges failed: {outcome.codes}")
            failed |= {each.id for each in due}
        if isinstance(outcome, InLedger):
            back += sum(each.amount for each in due)
    return back


@dataclass(frozen=True, slots=True)
class Pledged:
    """What is locked for a round now."""

    number: int
    cid: CidText
    locked: Stroops
    until: int
    """From then on it is the initiator's."""


def pledges(submitter: Submitter, shelf: Shelf) -> list[Pledged]:
    """Of every published round that has a pledge, oldest first. Raises Unavailable."""
    found = []
    for job in submitter.book.rounds:
        round_ = shelf.round(job.cid) if job.state in (RoundState.OPEN, RoundState.CLOSED) else None
        if round_ is not None and round_.pledge is not None:
            left = pledge.left(submitter.horizon, round_)
            found.append(Pledged(job.number, job.cid, left, round_.back_at))
    return found
