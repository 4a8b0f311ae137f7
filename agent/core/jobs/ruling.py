"""An arbiter's ruling on a round: one transaction that claims what is left of its pledge and pays it out.

Rules
  1. It is written down, signed, before it leaves; the ruling itself was stored before.
  2. One that can never apply any more is drawn anew, while the window is open.
  3. Who could not be paid when it was tried is not paid by the next one: nobody holds up the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.core import ledger
from agent.core.ids import AccountId, CidText
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.jobs.round import Lapsed


class RulingState(Enum):
    NONE = "none"
    SIGNED = "signed"
    LAPSED = "lapsed"
    ENTERED = "entered"
    MISSED = "missed"


class RulingStep(Enum):
    SUBMIT = "submit"
    DRAW = "draw"


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The transaction may leave."""

    envelope: ledger.Signed
    ruling: CidText


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """It is in a ledger, failed."""

    codes: str = ""
    unpaid: tuple[AccountId, ...] = ()
    """Whom this one or one before it could not pay."""


@dataclass(frozen=True, slots=True)
class Entered(Event):
    """It is in a ledger. None: history does not show in which one."""

    ledger: int | None = None


@dataclass(frozen=True, slots=True)
class Missed(Event):
    """The window is over."""


S = RulingState

TABLE = Table(
    {
        (S.NONE, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.LAPSED,
        (S.SIGNED, Refused): S.LAPSED,
        (S.SIGNED, Entered): S.ENTERED,
        (S.LAPSED, Signed): S.SIGNED,
        (S.LAPSED, Missed): S.MISSED,
    },
    {S.NONE: RulingStep.DRAW, S.SIGNED: RulingStep.SUBMIT, S.LAPSED: RulingStep.DRAW},
)


@dataclass(frozen=True, slots=True)
class RulingJob(Folded[RulingState, RulingStep]):
    """Its id is the round's CID. What its state does not promise raises DidNotHappen."""

    state: RulingState = RulingState.NONE

    @property
    def table(self) -> Table[RulingState, RulingStep]:
        return TABLE

    @property
    def unpaid(self) -> frozenset[AccountId]:
        refused = self.newest(Refused)
        return frozenset(refused.unpaid if refused else ())
