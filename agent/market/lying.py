"""Whether lying pays on a round, at what DLC cost on the book now (`core.deterrence`)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from agent.core import deterrence
from agent.core.deterrence import Deterrence
from agent.core.ids import AccountId
from agent.core.money import UNIT, XLM, Asset, Stroops
from agent.core.round import Round
from agent.ledger.horizon import Horizon
from agent.market import registry


@dataclass(frozen=True, slots=True)
class Lying:
    """Both theorems' numbers of one round."""

    vehicles: Deterrence
    """Theorem 1."""
    validators: Deterrence
    """Theorem 2."""

    def warnings(self) -> list[str]:
        """Sentences; none where lying pays nobody."""
        found = (
            deterrence.sentence("vehicles", self.vehicles, "a stake"),
            deterrence.sentence("the committee", self.validators, "bonds of the fewest that can pay what they like"),
        )
        return [sentence for sentence in found if sentence]

    def facts(self) -> dict[str, object]:
        """For programs: amounts in stroops of DLC, ratios as text."""
        return {
            name: {
                "ratio": str(found.ratio),
                "asked": str(found.asked),
                "holds": found.holds,
                "at_risk": found.at_risk,
                "enough": found.enough,
            }
            for name, found in (("vehicles", self.vehicles), ("validators", self.validators))
        }


def look(horizon: Horizon, round_: Round) -> Lying:
    """Raises Unavailable."""
    dlc, pledge, base = round_.stake_asset, round_.pledge, round_.stake.base
    reward, amount = (pledge.reward, pledge.amount) if pledge is not None else (0, 0)
    held = _held(horizon, round_)
    vehicles = deterrence.of_vehicles(base, reward, price(horizon, dlc, base))
    bound = deterrence.of_validators([held[member] for member in round_.committee], amount, Fraction(0))
    return Lying(vehicles, Deterrence(bound.at_risk, price(horizon, dlc, bound.at_risk or UNIT), amount))


def _held(horizon: Horizon, round_: Round) -> dict[AccountId, Stroops]:
    """DLC that each member has in bonds that stay for as long as the round's pay is locked; none where the registry
    cannot be read."""
    until = round_.pledge.until if round_.pledge is not None else 0
    held = dict.fromkeys(round_.committee, 0)
    with suppress(registry.Unreadable):
        for bond in registry.bonds(horizon, round_.stake_asset):
            if bond.account in held and bond.until >= until:
                held[bond.account] += bond.amount
    return held


def price(horizon: Horizon, dlc: Asset, amount: Stroops) -> Fraction:
    """XLM for one DLC where `amount` are bought: what a few go for says nothing. 0: nobody sells so many."""
    way = horizon.cost(dlc, amount, XLM)
    return Fraction(0) if way is None else Fraction(way.amount, amount)
