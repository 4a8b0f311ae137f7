"""Every training offer that this vehicle could take, with its numbers: for `choose` and for `milepost offers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.core.choice import Candidate, Means, Ranked, rank
from agent.core.documents import Round
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, stroops
from agent.errors import Malformed, Refused, Unavailable
from agent.host.sections import Config
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.market import listing, standing, strikes
from agent.market.bundle import Shelf
from agent.market.listing import Listing

OPERATIONS = 10
"""Operations of an entry and a closing together, at most: what fees are reckoned with."""

PRIOR_WEIGHT = 10
"""How many outcomes the configured chance of being accepted counts for, against those the vehicle has seen."""


@dataclass(frozen=True, slots=True)
class Market:
    """What was found: ranked candidates, best first, and what was passed over before that, with the reason."""

    ranked: tuple[Ranked, ...]
    passed_over: tuple[str, ...]

    @property
    def winner(self) -> Candidate | None:
        return self.ranked[0].candidate if self.ranked and not self.ranked[0].lost else None


def survey(
    horizon: Horizon, shelf: Shelf, config: Config, account: Account, unfit: Callable[[Round, str], str], seen: Fraction
) -> Market:
    """Look at every followed initiator's offers. Raises Unavailable when ledger or store cannot be asked."""
    found, passed_over = listings(horizon, config.market.initiators)
    head = horizon.head()
    candidates = []
    dlc = XLM
    for offered in found:
        if head.sequence < offered.ledger:  # its bundle is kept back until then
            passed_over.append(f"Round {offered.cid} opens after ledger {offered.ledger}.")
            continue
        try:
            round_ = shelf.round(offered.cid)
            _same_model(offered, round_, config.market.operator)
        except LedgerUnavailable:
            raise
        except (Refused, Unavailable) as error:  # one bundle that nobody has must not keep the others' offers away
            passed_over.append(str(error))
            continue
        dlc = Asset.parse(round_.stake.asset)
        candidates.append(
            Candidate(
                offer=offered.offer.id,
                initiator=offered.offer.seller,
                model=round_.model,
                round=round_.number,
                cid=offered.cid,
                since=offered.offer.last_modified,
                reward=offered.reward,
                budget=offered.offer.amount,
                stake=strikes.due(horizon, round_, account.id, head.sequence) + round_.stake.fee,
                stake_price=horizon.price(dlc, XLM),
                privacy=round_.privacy,
                unfit=unwilling(config, round_) or standing.look(horizon, round_) or unfit(round_, offered.cid),
            )
        )
    return Market(tuple(rank(candidates, means(config, account, dlc, seen))), tuple(passed_over))


def unwilling(config: Config, round_: Round) -> str:
    """Why this vehicle's owner does not want to take part in a round, or ''."""
    if round_.privacy == "open" and not config.market.open_rounds:
        return "its updates become public, and market.open_rounds is false"
    return ""


def listings(horizon: Horizon, initiators: Sequence[str]) -> tuple[list[Listing], list[str]]:
    """Verified offers, and sentences about those that are not."""
    found, passed_over = [], []
    for initiator in initiators:
        offered, others = listing.listings(horizon, initiator)
        found += offered
        passed_over += others
    return found, passed_over


def means(config: Config, account: Account, dlc: Asset, seen: Fraction) -> Means:
    market = config.market
    return Means(
        dlc=account.free(dlc),
        xlm=account.free(XLM),
        max_stake=stroops(market.max_stake),
        buy_budget=stroops(market.buy_stake_budget),
        min_pay=stroops(market.min_pay),
        fees=OPERATIONS * config.ledger.max_fee_stroops,
        accept_probability=seen,
    )


def chance(prior: float, outcomes: Sequence[str]) -> Fraction:
    """The chance of being accepted: the prior, moved by what happened to this vehicle's own contributions."""
    accepted = sum(outcome == "accepted" for outcome in outcomes)
    believed = Fraction(prior).limit_denominator(1000) * PRIOR_WEIGHT
    return (believed + accepted) / (PRIOR_WEIGHT + len(outcomes))


def _same_model(offered: Listing, round_: Round, operator: str | None) -> None:
    if round_.model_asset != offered.offer.buying:
        why = f"the offer buys {offered.offer.buying}, its round is for {round_.model}"
        raise Malformed(what=f"the round {offered.cid}", why=why)
    if round_.ledger != offered.ledger:
        why = f"it opens after ledger {round_.ledger}, and is on offer for ledger {offered.ledger}"
        raise Malformed(what=f"the round {offered.cid}", why=why)
    if operator is not None and Asset.parse(round_.stake.asset).issuer != operator:
        raise Malformed(what=f"the round {offered.cid}", why="its stake is not the DLC of market.operator")
