"""A dispute, as the arbiter has it.

Rules
  1. It begins with a payment to the arbiter that names it. Its id is the payment's transaction.
  2. What no arbiter may rule on is dismissed, and its fee is lost.
  3. It ends with the ruling on its round, or unanswered where there was none in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.core.dispute import Kind
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.money import Stroops


class HearingState(Enum):
    NONE = "none"
    RECEIVED = "received"
    HEARD = "heard"
    DISMISSED = "dismissed"
    ANSWERED = "answered"
    MISSED = "missed"


class HearingStep(Enum):
    HEAR = "hear"


@dataclass(frozen=True, slots=True)
class Received(Event):
    """Somebody paid."""

    dispute: CidText
    by: AccountId
    amount: Stroops
    """XLM."""
    closed_at: int


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """An arbiter may rule on it."""

    asks: Kind
    round: CidText
    entry: StakeId
    vehicle: AccountId
    contribution: CidText
    ledger: int
    """Of the entry."""


@dataclass(frozen=True, slots=True)
class Dismissed(Event):
    reason: str


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """The ruling on its round is in a ledger."""

    ruling: CidText
    outcome: str
    credit: Stroops
    """VLM."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Missed(Event):
    """There was no ruling in time, or it did not hold this entry."""

    reason: str


S = HearingState

TABLE = Table(
    {
        (S.NONE, Received): S.RECEIVED,
        (S.RECEIVED, Heard): S.HEARD,
        (S.RECEIVED, Dismissed): S.DISMISSED,
        (S.HEARD, Answered): S.ANSWERED,
        (S.HEARD, Missed): S.MISSED,
    },
    {S.RECEIVED: HearingStep.HEAR},
)


@dataclass(frozen=True, slots=True)
class Hearing(Folded[HearingState, HearingStep]):
    """What its state does not promise raises DidNotHappen."""

    state: HearingState = HearingState.NONE

    @property
    def table(self) -> Table[HearingState, HearingStep]:
        return TABLE
