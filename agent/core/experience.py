"""What a vehicle's own trips have come to, and what that makes it expect of the next one.

Rules
  1. The configured chance of being accepted counts for ten outcomes, against those the vehicle has seen.
  2. Steps and quality are the lower median of the last trips', of the same model where there are any. Trips without a
     contribution count among the last ones: a car that finds no offer worth its short trips tries again after a while.
  3. Who knows nothing expects all steps and full quality. Nothing is staked on that: before an entry is signed, pay is
     reckoned anew with the steps that were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from agent.core.jobs.contribution import Chosen, Job, Trained
from agent.core.money import UNIT, Stroops

N = TypeVar("N", int, Fraction)

PRIOR_WEIGHT = 10
RECENT = 10
"""Trips that say what the next one will be like."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What one trip came to."""

    model: str = ""
    steps: int | None = None
    planned: int | None = None
    """Steps for full credit."""
    outcome: str = ""
    credit: Stroops = 0
    """VLM."""

    @property
    def quality(self) -> Fraction | None:
        """Credit for the work done, 0 to 1; None where it was not accepted, or nobody knows how much was done."""
        if self.outcome != "accepted" or not self.steps or not self.planned:
            return None
        return min(Fraction(1), Fraction(self.credit, UNIT) / work(self.steps, self.planned))


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely each end of a contribution is. What is missing to 1: nobody judges it, and the stake returns whole."""

    accepted: Fraction
    idle: Fraction = Fraction(0)
    rejected: Fraction = Fraction(0)


def deed(job: Job) -> Deed:
    chosen, trained = job.newest(Chosen), job.newest(Trained)
    return Deed(
        model=chosen.model if chosen else "",
        steps=trained.steps if trained else None,
        planned=chosen.planned if chosen else None,
        outcome=job.outcome,
        credit=job.credit,
    )


def work(steps: int, planned: int) -> Fraction:
    """The share of the planned steps that was done, as validators count it."""
    return Fraction(min(steps, planned), planned)


def odds(prior: float, deeds: Sequence[Deed]) -> Odds:
    """The configured chance of being accepted, else rejected, moved by what became of this vehicle's contributions."""
    outcomes = [each.outcome for each in deeds if each.outcome]
    believed = Fraction(prior).limit_denominator(1000)
    accepted, idle, rejected = (outcomes.count(name) for name in ("accepted", "idle", "rejected"))
    total = PRIOR_WEIGHT + len(outcomes)
    return Odds(
        (believed * PRIOR_WEIGHT + accepted) / total,
        Fraction(idle, total),
        ((1 - believed) * PRIOR_WEIGHT + rejected) / total,
    )


def steps(deeds: Sequence[Deed], model: str, planned: int) -> int:
    """Steps to expect of the next trip, of `planned`. `deeds`: oldest first."""
    made = [each for each in deeds[-RECENT:] if each.steps is not None]
    found = [each.steps or 0 for each in made if each.model == model] or [each.steps or 0 for each in made]
    return min(planned, _median(found)) if found else planned


def quality(deeds: Sequence[Deed], model: str) -> Fraction:
    """Credit to expect for full work, 0 to 1."""
    found = [each.quality for each in deeds[-RECENT:] if each.model == model]
    known = [each for each in found if each is not None]
    return _median(known) if known else Fraction(1)


def _median(values: Sequence[N]) -> N:
    return sorted(values)[(len(values) - 1) // 2]
