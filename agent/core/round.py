"""An initiator's round, folded from its events like a vehicle's job (`core.job`).

Rules
  1. A round is published by one transaction that is written down, signed, before it leaves.
  2. Its bundle is complete here before that (`stored`), and given to the store only afterwards (`announced`, then
     `published`): what nobody knows of yet, nobody can hand in as their own work.
  3. A round that is closed is fused from what the ledger says was accepted, and from nothing else.
  4. Setting up the settlement account is the job before round 0, and uses the same table; it has nothing to announce.
  5. `owed(job)` names the one thing to do next. An open round is owed nothing: whether what comes after it fuses or
     restores, its initiator decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from agent.core.job import NotInTable


class State(str, Enum):
    NONE = "none"
    PLANNED = "planned"
    STORED = "stored"
    SIGNED = "signed"
    ANNOUNCED = "announced"
    OPEN = "open"
    CLOSED = "closed"


class Step(str, Enum):
    """What a round is owed."""

    LAY = "lay out the bundle"
    SIGN = "sign the publication"
    SUBMIT = "submit the publication"
    REVEAL = "store the bundle"


S = State

TABLE: Mapping[tuple[State, str], State] = {
    (S.NONE, "planned"): S.PLANNED,
    (S.PLANNED, "stored"): S.STORED,
    (S.STORED, "signed"): S.SIGNED,
    (S.SIGNED, "lapsed"): S.STORED,
    (S.SIGNED, "refused"): S.STORED,
    (S.SIGNED, "announced"): S.ANNOUNCED,
    (S.SIGNED, "published"): S.OPEN,
    (S.ANNOUNCED, "published"): S.OPEN,
    (S.OPEN, "closed"): S.CLOSED,
}

OWED: Mapping[State, Step] = {
    S.NONE: Step.LAY,
    S.PLANNED: Step.LAY,
    S.STORED: Step.SIGN,
    S.SIGNED: Step.SUBMIT,
    S.ANNOUNCED: Step.REVEAL,
}


@dataclass(frozen=True, slots=True)
class RoundJob:
    """One round. `facts` is the union of its events' data."""

    id: str
    state: State = State.NONE
    facts: Mapping[str, Any] = field(default_factory=dict)


def advance(job: RoundJob, kind: str, data: Mapping[str, Any]) -> RoundJob:
    """The round after one event. Raises NotInTable."""
    after = TABLE.get((job.state, kind))
    if after is None:
        raise NotInTable(kind=kind, state=job.state.value, job=job.id)
    return replace(job, state=after, facts={**job.facts, **data})


def owed(job: RoundJob) -> Step | None:
    """The one thing to do next, or None when the round is open."""
    return OWED.get(job.state)
