"""What a contribution is worth (PROTOCOL section 6), and what a committee's votes come to.

A contribution is measured as it would be fused: the candidate is `base + Δ/K`. On the global set G it is rejected when
it harms, idle when it neither harms nor helps, and accepted with credit in proportion to the loss it takes away. The
validator's private set L only guards: an update that helps on G and harms on L has been trained on G.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, TypeVar

from agent.core.documents import Outcome
from agent.core.money import UNIT, Stroops

RANK: dict[str, int] = {"rejected": 0, "idle": 1, "accepted": 2}
FIGURE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean loss of the base and of the candidate on one test set."""

    base: float
    candidate: float

    @property
    def gain(self) -> float:
        return self.base - self.candidate


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    credit: Stroops
    """VLM."""
    reason: str


def judge(
    on_global: Losses, on_private: Losses, *, tolerance: float, gain_reference: float, steps: int, planned: int
) -> Verdict:
    """One validator's verdict from its two measurements."""
    for name, losses in (("global", on_global), ("private", on_private)):
        if not losses.candidate <= losses.base / tolerance:  # also true for NaN
            return Verdict(
                "rejected", 0, f"loss on the {name} set rises from {losses.base:.4g} to {losses.candidate:.4g}"
            )
    if on_global.gain <= 0:
        return Verdict("idle", 0, f"loss on the global set stays at {on_global.base:.4g}")
    quality = min(1.0, on_global.gain / gain_reference)
    work = Fraction(min(steps, planned), planned)
    credit = int(Fraction(int(quality * UNIT), UNIT) * work * UNIT)
    falls = f"loss on the global set falls from {on_global.base:.4g} to {on_global.candidate:.4g}"
    return Verdict("accepted", credit, falls) if credit else Verdict("idle", 0, falls + ", by too little to pay")


class Ballot(Protocol):
    """What merging needs of a vote."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def credit(self) -> Stroops: ...
    @property
    def reason(self) -> str: ...
    @property
    def figure(self) -> Decimal | float | None: ...


B = TypeVar("B", bound=Ballot)


def threshold(validators: int) -> int:
    """ceil(2N/3): how many validators must agree."""
    return -(-2 * validators // 3)


def merge(votes: Sequence[Ballot], validators: int) -> Verdict | None:
    """What a committee's votes come to, or None while they do not tell: too few have voted, or too few of those who did
    measured the same figure.

    Two thirds must say "rejected" to forfeit a stake, and two thirds must say something else to give it back; then the
    lower median of those who say so counts. So fewer than a third of liars can neither forfeit an honest stake nor
    move a credit beyond what some honest validator said. When all have voted and neither side has two thirds, nobody
    wins and nobody loses: idle.
    """
    needed, agreed = threshold(validators), of_one_figure(votes)
    if len(agreed) < needed:
        return None
    against = [v for v in agreed if v.outcome == "rejected"]
    others = [v for v in agreed if v.outcome != "rejected"]
    side = next((said for said in (against, others) if len(said) >= needed), None)
    if side is None:
        return Verdict("idle", 0, "the committee is divided") if len(votes) >= validators else None
    ordered = sorted(side, key=lambda v: (RANK[v.outcome], v.credit, v.reason))
    middle = ordered[(len(ordered) - 1) // 2]
    return Verdict(middle.outcome, middle.credit, middle.reason)


def of_one_figure(votes: Sequence[B]) -> list[B]:
    """The most votes whose figures on the global set agree to 1e-4, and those that measured none. Every honest
    validator gets the same figure: who gets another one is not counted, and cannot keep the others from settling."""
    known = sorted((float(v.figure), index) for index, v in enumerate(votes) if v.figure is not None)
    most: list[int] = []
    for first, (lowest, _) in enumerate(known):
        run = [index for figure, index in known[first:] if same_figure([lowest, figure])]
        most = max(most, run, key=len)
    return [v for index, v in enumerate(votes) if v.figure is None or index in most]


def in_doubt(votes: Sequence[Ballot], validators: int) -> bool:
    """Whether so many figures differ that, whoever votes yet, too few will agree: somebody must look into it."""
    return len(of_one_figure(votes)) + validators - len(votes) < threshold(validators)


def same_figure(figures: Sequence[float | None]) -> bool:
    """Whether all who measured the global set got the same figure, to 1e-4 of it."""
    known = [f for f in figures if f is not None]
    return not known or max(known) - min(known) <= FIGURE_TOLERANCE * max(1e-9, abs(max(known)))
