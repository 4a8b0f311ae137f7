"""Which training offer to take (PROTOCOL section 4): the highest expected net pay among those the vehicle can serve.

    net = p_accept · reward − (1 − p_accept) · stake · price(DLC) − fees

in XLM stroops, exact. Every candidate keeps its numbers and the reason why it lost, for `milepost offers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.core.money import Stroops, share, text


@dataclass(frozen=True, slots=True)
class Candidate:
    """One verified offer, with what it would cost and earn this vehicle."""

    offer: int
    initiator: str
    model: str
    round: int
    cid: str
    since: int
    """Ledger of the offer's last change: the older one wins a tie."""
    reward: Stroops
    """XLM for full credit."""
    budget: Stroops
    """XLM the initiator still has on offer."""
    stake: Stroops
    """DLC, with the fee that the bid promises."""
    stake_price: Fraction
    """XLM for one DLC."""
    privacy: str
    """What becomes of the update: `open` or `sealed`."""
    unfit: str = ""
    """Why this machine or this vehicle cannot serve it, or ''."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the vehicle has, and what its operator allows."""

    dlc: Stroops
    xlm: Stroops
    max_stake: Stroops
    buy_budget: Stroops
    """XLM that may be spent on missing DLC."""
    min_pay: Stroops
    fees: Stroops
    accept_probability: Fraction


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its expected net pay and, for a loser, the reason."""

    candidate: Candidate
    net: Stroops
    lost: str = ""


def net_pay(reward: Fraction | Stroops, stake: Stroops, stake_price: Fraction, means: Means) -> Stroops:
    """Expected XLM stroops, rounded down, of work that earns `reward` XLM stroops if it is accepted. `stake`: DLC
    stroops, the fee with it; `stake_price`: XLM for one DLC."""
    p = means.accept_probability
    expected = p * reward - (1 - p) * stake * stake_price - means.fees
    return expected.numerator // expected.denominator


def why_not(candidate: Candidate, net: Stroops, means: Means) -> str:
    """The first reason against a candidate, as a sentence, or ''."""
    missing = max(0, candidate.stake - means.dlc)
    cost = -share(-missing, candidate.stake_price)
    if candidate.unfit:
        return candidate.unfit
    if candidate.stake > means.max_stake:
        return f"the stake of {text(candidate.stake)} DLC is above market.max_stake"
    if candidate.budget < candidate.reward:
        return f"the initiator has {text(candidate.budget)} XLM left, less than one reward"
    if missing and not candidate.stake_price:
        return f"{text(missing)} DLC are missing and nobody sells any"
    if cost > means.buy_budget:
        return f"{text(missing)} DLC are missing and cost {text(cost)} XLM, above market.buy_stake_budget"
    if cost + means.fees > means.xlm:
        return f"{text(cost)} XLM for the missing DLC and fees are not there"
    if net < means.min_pay:
        return f"the expected net pay of {text(net)} XLM is below market.min_pay"
    return ""


def rank(candidates: Sequence[Candidate], means: Means) -> list[Ranked]:
    """All candidates, the winner first when there is one (its `lost` is '')."""
    priced = [(c, net_pay(c.reward, c.stake, c.stake_price, means)) for c in candidates]
    judged = [Ranked(c, net, why_not(c, net, means)) for c, net in priced]
    judged.sort(key=lambda r: (bool(r.lost), -r.net, r.candidate.since, r.candidate.offer))
    return [
        r if i == 0 or r.lost else Ranked(r.candidate, r.net, "another offer pays more") for i, r in enumerate(judged)
    ]
