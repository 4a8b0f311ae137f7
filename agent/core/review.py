"""A validator's review of one entry, folded from its events like a vehicle's job (`core.job`).

Rules
  1. An entry is a stake on the ledger. It is found there, never announced.
  2. A verdict is written down before the vote leaves: asked again, the validator says the same. What was measured was
     measured on a roll; a verdict of an earlier version, which was not, is found anew.
  3. What settled an entry is what the ledger says, whoever proposed it; an entry may be settled without our vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from agent.core.job import NotInTable


class State(str, Enum):
    NONE = "none"
    FOUND = "found"
    JUDGED = "judged"
    SETTLED = "settled"
    GONE = "gone"


S = State

TABLE: Mapping[tuple[State, str], State] = {
    (S.NONE, "found"): S.FOUND,
    (S.FOUND, "judged"): S.JUDGED,
    (S.FOUND, "settled"): S.SETTLED,
    (S.FOUND, "gone"): S.GONE,
    (S.JUDGED, "judged"): S.JUDGED,
    (S.JUDGED, "settled"): S.SETTLED,
    (S.JUDGED, "gone"): S.GONE,
}


@dataclass(frozen=True, slots=True)
class Review:
    """One entry, by its stake's id. `facts` is the union of its events' data."""

    id: str
    state: State = State.NONE
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in (State.SETTLED, State.GONE)


def is_measured(review: Review) -> bool:
    """Whether its verdict came of a measurement, and not of what its vehicle signed."""
    return review.facts.get("figure") is not None or review.facts.get("roll") is not None


def awaits_judging(review: Review) -> bool:
    """Whether a verdict is to be found."""
    alone = is_measured(review) and review.facts.get("roll") is None
    return review.state is State.FOUND or (review.state is State.JUDGED and alone)


def advance(review: Review, kind: str, data: Mapping[str, Any]) -> Review:
    """The review after one event. Raises NotInTable."""
    after = TABLE.get((review.state, kind))
    if after is None:
        raise NotInTable(kind=kind, state=review.state.value, job=review.id)
    return replace(review, state=after, facts={**review.facts, **data})
