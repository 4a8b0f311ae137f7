"""Whether lying pays (Weng et al., DeepChain, theorems 1 and 2).

A lie that is noticed with probability Pr costs f, and one that is not brings π. It does not pay where

    f / π > (1 − Pr) / Pr

For a vehicle f is the round's least stake and π the reward for full credit. For a committee f is the bonds of the
fewest that can pay whatever they like, and π all that is locked for the round: what a bribe is worth. Both in XLM, at
what DLC cost now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.core.money import Stroops, text
from agent.core.verdict import threshold

NOTICED = Fraction(1, 2)
"""Pr of a lie: less than the bench found. Of the vehicles' lies that were paid or forfeited on its seeds 5 to 7, 24
kinds of them together, 70 % were forfeited (docs/benchmarks.md, Market); kinds that no stake deters are among the rest.
Of validators' nothing was measured."""


@dataclass(frozen=True, slots=True)
class Deterrence:
    """One theorem's numbers."""

    at_risk: Stroops
    """f, in DLC."""
    price: Fraction
    """XLM for one DLC, where so many are bought. 0: nobody sells so many."""
    gain: Stroops
    """π, in XLM."""
    noticed: Fraction = NOTICED

    @property
    def ratio(self) -> Fraction:
        """f / π."""
        return self.at_risk * self.price / self.gain if self.gain else Fraction(0)

    @property
    def asked(self) -> Fraction:
        """(1 − Pr) / Pr. The ratio is to be above it."""
        return (1 - self.noticed) / self.noticed

    @property
    def holds(self) -> bool:
        """Whether lying does not pay."""
        return self.ratio > self.asked

    @property
    def enough(self) -> Stroops | None:
        """The least f, in DLC, with which it would not, at this price. None: nobody knows what DLC are worth."""
        if not self.price:
            return None
        return int(self.gain * self.asked / self.price) + 1


def of_vehicles(least_stake: Stroops, reward: Stroops, price: Fraction) -> Deterrence:
    """Theorem 1."""
    return Deterrence(least_stake, price, reward)


def of_validators(bonds: Sequence[Stroops], pledge: Stroops, price: Fraction) -> Deterrence:
    """Theorem 2. `bonds`: one for each member of the committee, 0 where it has put none down."""
    fewest = sorted(bonds)[: threshold(len(bonds))]
    return Deterrence(sum(fewest), price, pledge)


def sentence(who: str, found: Deterrence, what: str) -> str:
    """Why lying may pay `who`, with the numbers, or ''. `what`: what they would lose."""
    if found.holds:
        return ""
    if found.enough is None:
        return f"whether lying pays {who} is not known: nobody sells as many DLC as they would lose"
    numbers = f"f/π is {float(found.ratio):.3g}, and more than {float(found.asked):.3g} is asked for"
    return f"lying may pay {who}: {numbers} where a lie is noticed with probability {float(found.noticed):.2g};" + (
        f" {what} of {text(found.enough)} DLC would do"
    )
