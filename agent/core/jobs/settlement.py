"""Setting up a model's issuer and settlement account: the job before round 0. Like a round, but nothing is laid out or
stored.

Rules
  1. One transaction makes both accounts, trustlines and signers, and locks the issuer. It is written down, signed,
     before it leaves.
  2. The accounts' own keys sign it, and are written down nowhere: where the envelope can never apply any more, other
     accounts are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core import ledger
from agent.core.ids import AccountId
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.jobs.round import Lapsed, Refused, RoundState, RoundStep


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """A round is to be published, and there is no account yet."""


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """There is nothing to lay out."""


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The transaction may leave."""

    envelope: ledger.Signed
    settlement: AccountId
    issuer: AccountId | None = None
    """None: an older agent made the account, and the initiator itself issued DLM and VLM."""


@dataclass(frozen=True, slots=True)
class Published(Event):
    """The account is on the ledger. None: history does not show in which one it came there."""

    ledger: int | None = None
    offer: int | None = None
    """0: none stands for an account."""
    closed_at: int | None = None


S = RoundState

TABLE = Table(
    {
        (S.NONE, Planned): S.PLANNED,
        (S.PLANNED, Stored): S.STORED,
        (S.STORED, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.STORED,
        (S.SIGNED, Refused): S.STORED,
        (S.SIGNED, Published): S.OPEN,
    },
    {
        S.NONE: RoundStep.LAY,
        S.PLANNED: RoundStep.LAY,
        S.STORED: RoundStep.SIGN,
        S.SIGNED: RoundStep.SUBMIT,
    },
)


@dataclass(frozen=True, slots=True)
class SettlementJob(Folded[RoundState, RoundStep]):
    """What its state does not promise raises DidNotHappen."""

    state: RoundState = RoundState.NONE

    @property
    def table(self) -> Table[RoundState, RoundStep]:
        return TABLE

    @property
    def account(self) -> AccountId:
        """As it was signed last."""
        return self.of(Signed).settlement

    @property
    def issuer(self) -> AccountId | None:
        """Of the model, as it was signed last."""
        return self.of(Signed).issuer
