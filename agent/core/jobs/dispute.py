"""A dispute, as whoever asks has it: one payment of the arbiter's fee.

Rules
  1. The payment is written down, signed, before it leaves. Its memo is the dispute that was stored before.
  2. Who asks again while one is under way goes on with that one; once it is paid, it is the same: no fee is paid twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.core import ledger
from agent.core.ids import CidText
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.jobs.round import Lapsed, Refused


class DisputeState(Enum):
    NONE = "none"
    SIGNED = "signed"
    LAPSED = "lapsed"
    PAID = "paid"


class DisputeStep(Enum):
    SUBMIT = "submit"


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The payment may leave."""

    envelope: ledger.Signed
    dispute: CidText
    round: CidText


@dataclass(frozen=True, slots=True)
class Paid(Event):
    """It is in a ledger. None: history does not show in which one."""

    ledger: int | None = None


S = DisputeState

TABLE = Table(
    {
        (S.NONE, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.LAPSED,
        (S.SIGNED, Refused): S.LAPSED,
        (S.LAPSED, Signed): S.SIGNED,
        (S.SIGNED, Paid): S.PAID,
    },
    {S.SIGNED: DisputeStep.SUBMIT},
)


@dataclass(frozen=True, slots=True)
class DisputeJob(Folded[DisputeState, DisputeStep]):
    """Its id is the entry's. What its state does not promise raises DidNotHappen."""

    state: DisputeState = DisputeState.NONE

    @property
    def table(self) -> Table[DisputeState, DisputeStep]:
        return TABLE
