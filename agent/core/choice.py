"""Which training offer to take (PROTOCOL section 4): the highest expected net pay among those the vehicle can serve.

    net = p_accepted · share · reward − (p_accepted + p_idle) · fee · price − p_rejected · stake · price − fees

in XLM stroops, exact. The fee is kept of a stake that is given back; a rejected one is lost whole. Every candidate
keeps its numbers and the reason why it lost, for `milepost offers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.core.experience import Odds
from agent.core.ids import AccountId, CidText
from agent.core.money import Stroops, text


@dataclass(frozen=True, slots=True)
class Candidate:
    """One verified offer, with what it would cost and earn this vehicle."""

    offer: int
    initiator: AccountId
    model: str
    round: int
    cid: CidText
    since: int
    """Ledger of the offer's last change: the older one wins a tie."""
    reward: Stroops
    """XLM for full credit."""
    budget: Stroops
    """XLM that are locked for the round, less a reward for each stake that waits for its verdict."""
    stake: Stroops
    """DLC that are put at risk."""
    fee: Stroops
    """DLC that the bid promises besides. So much is kept of a stake that is given back."""
    stake_price: Fraction
    """XLM for one DLC, where as many are bought as the entry takes. 0: nobody sells so many."""
    missing: Stroops
    """DLC that have to be bought first."""
    cost: Stroops | None
    """XLM for the missing DLC; None: nobody sells so many."""
    reserve: Stroops
    """XLM that the ledger keeps while the entry stands: for its bid, its stake, and a new line of VLM."""
    planned: int
    """Steps for full credit."""
    steps: int
    """Steps that this car is expected to make, or has made."""
    share: Fraction
    """Part of full credit that it earns when it is accepted."""
    privacy: str
    """What becomes of the update: `open` or `sealed`."""
    unfit: str = ""
    """Why this machine or this vehicle cannot serve it, or ''."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the vehicle has, and what its operator allows."""

    xlm: Stroops
    """Free: above the reserve, and not needed by its other jobs."""
    max_stake: Stroops
    buy_budget: Stroops
    """XLM that may be spent on missing DLC."""
    min_pay: Stroops
    fees: Stroops
    """Of an entry and its closing together, at most."""
    odds: Odds


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its expected net pay and, for a loser, the reason."""

    candidate: Candidate
    net: Stroops
    lost: str = ""


def net_pay(candidate: Candidate, means: Means) -> Stroops:
    """Expected XLM stroops, rounded down."""
    odds, price = means.odds, candidate.stake_price
    earned = odds.accepted * candidate.share * candidate.reward
    kept = (odds.accepted + odds.idle) * candidate.fee * price
    expected = earned - kept - odds.rejected * candidate.stake * price - means.fees
    return expected.numerator // expected.denominator


def unwanted(candidate: Candidate, net: Stroops, means: Means) -> str:
    """The first reason not to want a candidate, as a sentence, or ''."""
    if candidate.unfit:
        return candidate.unfit
    if candidate.stake > means.max_stake:
        return f"the stake of {text(candidate.stake)} DLC is above market.max_stake"
    if candidate.budget < candidate.reward:
        return f"{text(candidate.budget)} XLM are locked for one more entry, less than one reward"
    if (candidate.cost or 0) > means.buy_budget:
        cost = text(candidate.cost or 0)
        return f"{text(candidate.missing)} DLC are missing and cost {cost} XLM, above market.buy_stake_budget"
    if net < means.min_pay:
        return f"the expected net pay of {text(net)} XLM is below market.min_pay"
    return ""


def lacking(candidate: Candidate, means: Means) -> str:
    """What the vehicle lacks to enter, as a sentence, or ''. Another day it may have it."""
    if candidate.cost is None:
        return f"{text(candidate.missing)} DLC are missing and nobody sells so many"
    if candidate.cost + candidate.reserve + means.fees > means.xlm:
        needed = f"{text(candidate.reserve)} XLM as reserve, {text(means.fees)} for fees"
        bought = f", {text(candidate.cost)} for missing DLC" if candidate.cost else ""
        return f"an entry needs {needed}{bought}, and {text(means.xlm)} are free"
    return ""


def rank(candidates: Sequence[Candidate], means: Means) -> list[Ranked]:
    """All candidates, the winner first when there is one (its `lost` is '')."""
    priced = [(c, net_pay(c, means)) for c in candidates]
    judged = [Ranked(c, net, unwanted(c, net, means) or lacking(c, means)) for c, net in priced]
    judged.sort(key=lambda r: (bool(r.lost), -r.net, r.candidate.since, r.candidate.offer))
    return [
        r if i == 0 or r.lost else Ranked(r.candidate, r.net, "another offer pays more") for i, r in enumerate(judged)
    ]
