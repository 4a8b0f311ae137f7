"""An initiator's addition to a round's pledge.

Rules
  1. One transaction locks it. It is written down, signed, before it leaves.
  2. Who asks again while one is under way goes on with that one: nothing is locked twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core import ledger
from agent.core.ids import CidText
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.jobs.round import Lapsed, Refused, RoundState, RoundStep


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The transaction may leave."""

    envelope: ledger.Signed
    cid: CidText
    """Of the round whose pledge it adds to."""
    amount: int
    """XLM stroops."""


@dataclass(frozen=True, slots=True)
class Locked(Event):
    """It is in a ledger. None: history does not show in which one."""

    ledger: int | None = None


S = RoundState

TABLE = Table(
    {
        (S.NONE, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.CLOSED,
        (S.SIGNED, Refused): S.CLOSED,
        (S.SIGNED, Locked): S.OPEN,
    },
    {S.SIGNED: RoundStep.SUBMIT},
)


@dataclass(frozen=True, slots=True)
class Addition(Folded[RoundState, RoundStep]):
    """`closed`: nothing was locked. What its state does not promise raises DidNotHappen."""

    state: RoundState = RoundState.NONE

    @property
    def table(self) -> Table[RoundState, RoundStep]:
        return TABLE
