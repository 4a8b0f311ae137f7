"""An initiator's round.

Rules
  1. A round is published by one transaction that is written down, signed, before it leaves.
  2. Its bundle is complete here before that (`Stored`), and given to the store only afterwards (`Announced`, then
     `Published`): what nobody knows of yet, nobody can hand in as their own work.
  3. A round that is closed is fused from what the ledger says was accepted, and from nothing else.
  4. An open round is owed nothing: whether what comes after it fuses or restores, its initiator decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.core import ledger
from agent.core.ids import CidText
from agent.core.jobs.fold import Event, Folded, Table


class RoundState(str, Enum):
    NONE = "none"
    PLANNED = "planned"
    STORED = "stored"
    SIGNED = "signed"
    ANNOUNCED = "announced"
    OPEN = "open"
    CLOSED = "closed"


class RoundStep(str, Enum):
    """What a round is owed."""

    LAY = "lay out the bundle"
    SIGN = "sign the publication"
    SUBMIT = "submit the publication"
    REVEAL = "store the bundle"


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """What the round is made of was found fit to be published."""

    number: int
    restores: CidText | None = None
    """The round whose weights it has. None: it is the first, or it fuses."""


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """The bundle is laid out here, whole but for what its publication says."""

    figure: str | None
    """Decimal: the round's figure on the global test set."""
    fused: tuple[CidText, ...]
    """Contributions."""
    cid: CidText | None = None
    """Of the bundle; None: the one that its publication signs. An older agent stored a bundle before that."""


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The publication may leave."""

    envelope: ledger.Signed
    cid: CidText | None = None
    """Of the bundle; None, as what follows: an older agent signed."""
    open_after: int | None = None
    """The last ledger that may hold the publication."""


@dataclass(frozen=True, slots=True)
class Lapsed(Event):
    """The envelope can never apply any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The envelope is in a ledger, failed."""

    codes: str
    """Result codes as XDR names them."""


@dataclass(frozen=True, slots=True)
class Announced(Event):
    """The publication is in a ledger."""

    ledger: int
    offer: int
    """The id of the offer that stands for the model."""
    closed_at: int | None = None
    """When that ledger closed, where it is known which one it was."""


@dataclass(frozen=True, slots=True)
class Published(Event):
    """The bundle is in the content store. An older agent, whose bundle was there before, says here what `Announced`
    says."""

    ledger: int | None = None
    offer: int | None = None
    closed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """Another round is open."""

    next: CidText


S = RoundState

TABLE = Table(
    {
        (S.NONE, Planned): S.PLANNED,
        (S.PLANNED, Stored): S.STORED,
        (S.STORED, Signed): S.SIGNED,
        (S.SIGNED, Lapsed): S.STORED,
        (S.SIGNED, Refused): S.STORED,
        (S.SIGNED, Announced): S.ANNOUNCED,
        (S.SIGNED, Published): S.OPEN,
        (S.ANNOUNCED, Published): S.OPEN,
        (S.OPEN, Closed): S.CLOSED,
    },
    {
        S.NONE: RoundStep.LAY,
        S.PLANNED: RoundStep.LAY,
        S.STORED: RoundStep.SIGN,
        S.SIGNED: RoundStep.SUBMIT,
        S.ANNOUNCED: RoundStep.REVEAL,
    },
)


@dataclass(frozen=True, slots=True)
class RoundJob(Folded[RoundState, RoundStep]):
    """One round. What its state does not promise raises DidNotHappen."""

    state: RoundState = RoundState.NONE

    @property
    def table(self) -> Table[RoundState, RoundStep]:
        return TABLE

    @property
    def plan(self) -> Planned:
        return self.of(Planned)

    @property
    def number(self) -> int:
        return self.plan.number

    @property
    def cid(self) -> CidText:
        """The bundle's, as its publication was signed last."""
        return self.of(Signed).cid or self.of(Stored).cid or CidText("")

    @property
    def publication(self) -> Announced:
        """In which ledger the round was published, and what stands for it."""
        older = self.newest(Published)
        if older is None or older.ledger is None:
            return self.of(Announced)
        return Announced(older.ledger, older.offer or 0, older.closed_at)
