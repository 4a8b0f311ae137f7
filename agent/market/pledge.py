"""A round's pledge on the ledger: pay that is the settlement account's at once, and its initiator's again from a moment
on; where the round has an arbiter, that one's for a review window before (PROTOCOL, "Pledged pay", "Disputes").

A pledge is every balance of XLM that the initiator or the settlement account has made, with these claimants and these
moments, and no other. What strangers make does not count. So one request shows it, and no chain of transactions has to
be followed.
"""

from __future__ import annotations

from collections.abc import Iterable

from stellar_sdk import Claimant, ClaimPredicate, CreateClaimableBalance

from agent.core import pay
from agent.core.ids import AccountId
from agent.core.ledger import Stake
from agent.core.money import XLM, Stroops, text
from agent.core.pay import Locked
from agent.core.round import Round
from agent.ledger.envelope import own_amount, sdk_asset
from agent.ledger.horizon import Horizon


def of(round_: Round, balances: Iterable[Stake]) -> list[Stake]:
    """Those of these balances that are the round's pledge, the largest first: the first one pays."""
    if round_.pledge is None:
        return []
    makers, back = (round_.initiator, round_.settlement), {round_.initiator: round_.back_at}
    rules = {round_.arbiter.account: (round_.pledge.until, round_.back_at)} if round_.arbiter else {}
    found = [
        each
        for each in balances
        if each.asset == XLM
        and each.sponsor in makers
        and len(each.claimants) == 2 + len(rules)
        and each.at_once == (round_.settlement,)
        and each.not_before == back
        and each.within == rules
    ]
    return sorted(found, key=lambda each: (-each.amount, each.id))


def locked(round_: Round, balances: Iterable[Stake]) -> Locked:
    amounts = [each.amount for each in of(round_, balances)]
    largest, second, *_ = [*amounts, 0, 0]
    return Locked(largest, second)


def create(round_: Round, amount: Stroops) -> CreateClaimableBalance:
    """Lock so much for a round that has a pledge: by its initiator, or what a settlement puts back."""
    assert round_.pledge is not None  # noqa: S101
    before = ClaimPredicate.predicate_before_absolute_time
    claimants = [Claimant(round_.settlement)]
    if round_.arbiter is not None:
        begun = ClaimPredicate.predicate_not(before(round_.pledge.until))
        claimants.append(Claimant(round_.arbiter.account, ClaimPredicate.predicate_and(begun, before(round_.back_at))))
    claimants.append(Claimant(round_.initiator, ClaimPredicate.predicate_not(before(round_.back_at))))
    return CreateClaimableBalance(sdk_asset(XLM), text(amount), claimants)


def is_one(made: CreateClaimableBalance, round_: Round) -> bool:
    """Whether an operation locks pay for this round, and nothing else."""
    wanted = create(round_, own_amount(made.amount))
    return made.to_xdr_object().body.to_xdr() == wanted.to_xdr_object().body.to_xdr()


def left(horizon: Horizon, round_: Round) -> Stroops:
    """XLM that are locked for the round now. Raises Unavailable."""
    return sum(each.amount for each in of(round_, horizon.stakes(round_.settlement, XLM)))


def free(horizon: Horizon, round_: Round) -> Stroops:
    """XLM that are locked for the round, less a reward for each stake that its settlement account may claim now. Raises
    Unavailable."""
    if round_.pledge is None:
        return 0
    waiting = sum(stake.amount >= round_.stake.base for stake in horizon.stakes(round_.settlement, round_.stake_asset))
    return left(horizon, round_) - waiting * round_.pledge.reward


def too_short(round_: Round, now: int, trip: bool) -> str:
    """Why the pay for an entry that is made now, or after a trip that begins now, is not locked for long enough, as a
    sentence, or ''."""
    if round_.pledge is None:
        return "no pay is locked for it: its initiator could take it away when the work is done"
    needed = pay.LONGEST_TRIP_S * trip + round_.review_window + pay.SPARE_S
    if round_.pledge.until >= now + needed:
        return ""
    what = "a trip and its review" if trip else "a review"
    return f"its pay is locked for {max(0, round_.pledge.until - now)} s more, and {what} may take {needed} s"


def due_back(horizon: Horizon, initiator: AccountId, settlement: AccountId, now: int) -> list[Stake]:
    """Balances that a settlement account shares with an initiator, and that are the initiator's by now, oldest first.
    Raises Unavailable."""
    return [
        each
        for each in horizon.stakes(initiator, XLM)
        if each.at_once == (settlement,) and [*each.not_before] == [initiator] and max(each.not_before.values()) <= now
    ]
