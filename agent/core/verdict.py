"""What a committee's votes come to (PROTOCOL section 6). What a vote says is found in `learn.judging`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from agent.core.documents import Outcome
from agent.core.money import Stroops

RANK: dict[str, int] = {"rejected": 0, "idle": 1, "accepted": 2}
FIGURE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    credit: Stroops
    """VLM."""
    reason: str


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
