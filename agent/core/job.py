"""A vehicle's job: one trip, one contribution, one stake.

Rules
  1. A job is never stored. Its events are; the job is what comes out of folding them.
  2. What may happen next is the table below. An event that is not in it raises and changes nothing.
  3. `owed(job)` names the one thing to do next. Crash recovery is: fold, ask, do.
  4. Two transactions, the entry and the closing, and each is in the journal, signed, before it leaves the car. Only
     a ledger that holds it, or one that closed after its last valid second without it, moves the job on.

Theory
  `clawed` is no verdict: the operator took the stake, or it is gone and nothing says why.
  A verdict may still come after `silent`, while the stake is being taken back: then it is the verdict that counts.
  `lapsed` (the envelope can never apply any more) and `refused` (it is in a ledger, failed) lead back to the state in
  which a new one is built. Both are final for the old envelope, so there is never more than one that could still apply.
  `partly`: this closing did what could be done; the rest waits for another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from agent.core.jobs.fold import NotInTable as NotInTable


class State(str, Enum):
    NONE = "none"
    OPENED = "opened"
    CHOSEN = "chosen"
    TRAINING = "training"
    ARRIVED = "arrived"
    TRAINED = "trained"
    STORED = "stored"
    SIGNED = "signed"
    ENTERED = "entered"
    SETTLED = "settled"
    CLOSING = "closing"
    CLOSED = "closed"
    PASSED = "passed"


class Step(str, Enum):
    """What a job is owed."""

    CHOOSE = "choose an offer"
    FETCH = "fetch the round"
    TRAIN = "train until arrival"
    FINISH = "finish training"
    STORE = "store the contribution"
    SIGN = "sign the entry"
    SUBMIT = "submit the entry"
    WATCH = "wait for the verdict"
    CLOSE = "sign the closing"
    COLLECT = "submit the closing"


S = State

TABLE: Mapping[tuple[State, str], State] = {
    (S.NONE, "opened"): S.OPENED,
    (S.OPENED, "chosen"): S.CHOSEN,
    (S.OPENED, "passed"): S.PASSED,
    (S.CHOSEN, "fetched"): S.TRAINING,
    (S.CHOSEN, "passed"): S.PASSED,
    (S.TRAINING, "arrived"): S.ARRIVED,
    (S.TRAINING, "passed"): S.PASSED,
    (S.ARRIVED, "trained"): S.TRAINED,
    (S.ARRIVED, "passed"): S.PASSED,
    (S.TRAINED, "stored"): S.STORED,
    (S.TRAINED, "passed"): S.PASSED,
    (S.STORED, "signed"): S.SIGNED,
    (S.STORED, "passed"): S.PASSED,
    (S.SIGNED, "entered"): S.ENTERED,
    (S.SIGNED, "lapsed"): S.STORED,
    (S.SIGNED, "refused"): S.STORED,
    (S.ENTERED, "accepted"): S.SETTLED,
    (S.ENTERED, "idle"): S.SETTLED,
    (S.ENTERED, "rejected"): S.SETTLED,
    (S.ENTERED, "silent"): S.SETTLED,
    (S.ENTERED, "clawed"): S.SETTLED,
    (S.SETTLED, "accepted"): S.SETTLED,
    (S.SETTLED, "idle"): S.SETTLED,
    (S.SETTLED, "rejected"): S.SETTLED,
    (S.SETTLED, "clawed"): S.SETTLED,
    (S.SETTLED, "closing"): S.CLOSING,
    (S.SETTLED, "closed"): S.CLOSED,
    (S.CLOSING, "lapsed"): S.SETTLED,
    (S.CLOSING, "refused"): S.SETTLED,
    (S.CLOSING, "partly"): S.SETTLED,
    (S.CLOSING, "closed"): S.CLOSED,
}

OWED: Mapping[State, Step] = {
    S.OPENED: Step.CHOOSE,
    S.CHOSEN: Step.FETCH,
    S.TRAINING: Step.TRAIN,
    S.ARRIVED: Step.FINISH,
    S.TRAINED: Step.STORE,
    S.STORED: Step.SIGN,
    S.SIGNED: Step.SUBMIT,
    S.ENTERED: Step.WATCH,
    S.SETTLED: Step.CLOSE,
    S.CLOSING: Step.COLLECT,
}

OUTCOMES = ("accepted", "idle", "rejected", "silent", "clawed")
IN_FLIGHT = (S.SIGNED, S.CLOSING)
"""States in which an envelope of the vehicle's account could still apply: one job at a time may be in them."""


@dataclass(frozen=True, slots=True)
class Job:
    """One trip's job. `facts` is the union of its events' data, later over earlier."""

    id: str
    state: State = State.NONE
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = ""
    refusals: int = 0
    """Envelopes in a row that a ledger turned down."""
    lapses: int = 0
    """Envelopes in a row that no ledger took in time: the next one bids more."""

    @property
    def is_over(self) -> bool:
        return self.state in (State.CLOSED, State.PASSED)


def advance(job: Job, kind: str, data: Mapping[str, Any]) -> Job:
    """The job after one event. Raises NotInTable."""
    after = TABLE.get((job.state, kind))
    if after is None:
        raise NotInTable(kind=kind, state=job.state.value, job=job.id)
    return replace(
        job,
        state=after,
        facts={**job.facts, **data},
        outcome=kind if kind in OUTCOMES else job.outcome,
        refusals=_in_a_row(job.refusals, kind, "refused"),
        lapses=_in_a_row(job.lapses, kind, "lapsed"),
    )


def _in_a_row(count: int, kind: str, counted: str) -> int:
    return count + 1 if kind == counted else 0 if kind in ("entered", "partly") else count


def fold(job_id: str, events: Iterable[tuple[str, Mapping[str, Any]]]) -> Job:
    """The job that these (kind, data) events make."""
    job = Job(job_id)
    for kind, data in events:
        job = advance(job, kind, data)
    return job


def owed(job: Job) -> Step | None:
    """The one thing to do next, or None when the job is over."""
    return OWED.get(job.state)
