"""Drawing a committee: the job before a model's accounts are set up, where its plan names nobody.

Rules
  1. One transaction announces the registry and locks the announcement. It is written down, signed, before it leaves.
  2. The announcement's own key signs it, and is written down nowhere: where the envelope can never apply any more,
     another registry is announced.
  3. The ledger that holds it has drawn. There is no second draw.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core import ledger
from agent.core.ids import AccountId
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.jobs.round import Lapsed, Refused, RoundState, RoundStep
from agent.core.registry import Draw, Registry


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The announcement may leave."""

    envelope: ledger.Signed
    announcement: AccountId
    registry: str
    """Its canonical JSON."""


@dataclass(frozen=True, slots=True)
class Drawn(Event):
    """The announcement is in a ledger, which has drawn."""

    ledger: int
    committee: tuple[AccountId, ...]


S = RoundState

TABLE = Table(
    {
        (S.NONE, Signed): S.SIGNED,
        (S.STORED, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.STORED,
        (S.SIGNED, Refused): S.STORED,
        (S.SIGNED, Drawn): S.OPEN,
    },
    {S.NONE: RoundStep.SIGN, S.STORED: RoundStep.SIGN, S.SIGNED: RoundStep.SUBMIT},
)


@dataclass(frozen=True, slots=True)
class DrawJob(Folded[RoundState, RoundStep]):
    """What its state does not promise raises DidNotHappen."""

    state: RoundState = RoundState.NONE

    @property
    def table(self) -> Table[RoundState, RoundStep]:
        return TABLE

    @property
    def committee(self) -> tuple[AccountId, ...]:
        return self.of(Drawn).committee

    @property
    def draw(self) -> Draw:
        """As a round states it."""
        said = self.of(Signed)
        registry = Registry.parse(said.registry.encode())
        return Draw(announcement=said.announcement, ledger=self.of(Drawn).ledger, registry=registry)
