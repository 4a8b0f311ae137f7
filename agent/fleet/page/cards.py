"""What the board holds: one card per vehicle, job, round and kind of payment. `version`: when it last changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.core.jobs.contribution import TABLE, JobState
from agent.fleet.inbox import Inbox
from agent.fleet.page.said import About
from agent.fleet.status import OFFLINE, ONLINE

OVER = {state.value for state in JobState if TABLE.is_end(state)}


ABOUT = set(About.model_fields)


@dataclass(slots=True)
class VehicleCard:
    """Online, healthy and fresh are kept apart: three questions, three answers."""

    fleet: str
    id: str
    version: int = 0
    status: str = "unknown"
    """online, stopped, offline, or unknown while it has said nothing."""
    session: str = ""
    healthy: bool | None = None
    troubles: list[str] = field(default_factory=list)
    fresh: bool = False
    said_at: float = 0.0
    """When its last word was said: by our clock, or by its own for what was retained. Seconds since the epoch."""
    every: float = 60.0
    about: About = field(default_factory=About)
    outcomes: dict[str, int] = field(default_factory=dict)
    paid: int = 0
    """XLM stroops, all jobs."""
    missed: int = 0
    """Gaps in its events."""
    payments: int = 0
    """Kinds of payment that it told of."""
    inbox: Inbox = field(default_factory=Inbox)

    @property
    def key(self) -> str:
        return f"{self.fleet}/{self.id}"

    @property
    def need(self) -> int:
        """How much somebody should look at it, 0 to 7: gone before ill before silent."""
        silent = not self.fresh and self.status == ONLINE
        return 4 * (self.status == OFFLINE) + 2 * (self.healthy is False) + silent

    def plain(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "fleet": self.fleet,
            "id": self.id,
            "status": self.status,
            "need": self.need,
            "healthy": self.healthy,
            "fresh": self.fresh,
            "troubles": self.troubles,
            "saidAt": self.said_at,
            "about": self.about.model_dump(include=ABOUT),
            "outcomes": self.outcomes,
            "paid": str(self.paid),
            "missed": self.missed,
        }


@dataclass(slots=True)
class JobCard:
    """One trip's job on its way through the states of `core.jobs.contribution`."""

    vehicle: str
    id: str
    version: int = 0
    state: str = JobState.NONE.value
    outcome: str = ""
    at: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    """Sequence number of the event that made `state`."""
    path: list[tuple[int, str, float]] = field(default_factory=list)
    """(seq, kind, at) of its events."""

    @property
    def key(self) -> str:
        return f"{self.vehicle}/{self.id}"

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def plain(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "vehicle": self.vehicle,
            "id": self.id,
            "state": self.state,
            "outcome": self.outcome,
            "over": self.is_over,
            "at": self.at,
            "facts": self.facts,
            "path": [(kind, at) for _, kind, at in self.path],
        }


@dataclass(slots=True)
class RoundCard:
    """One round of a model: a knot in its family tree. `figure` is None until its bundle was read."""

    cid: str
    owner: str = ""
    """The vehicle that named it, or a round built on it, first."""
    version: int = 0
    model: str = ""
    number: int = 0
    previous: str | None = None
    figure: str | None = None
    figure_name: str = ""
    unit: str = ""
    better: str = "lower"
    fused: list[dict[str, str]] = field(default_factory=list)
    """What went into it: {"cid", "vehicle", "weight"}."""
    false: dict[str, str] = field(default_factory=dict)
    """Validator → why it does not serve it: it is not what its lineage says."""

    def plain(self) -> dict[str, Any]:
        return {
            "cid": self.cid,
            "model": self.model,
            "number": self.number,
            "previous": self.previous,
            "figure": self.figure,
            "figureName": self.figure_name,
            "unit": self.unit,
            "better": self.better,
            "fused": self.fused,
            "false": self.false,
        }


@dataclass(slots=True)
class PaymentCard:
    """Everything one party gave another of one asset, for one reason."""

    source: str
    to: str
    asset: str
    why: str
    version: int = 0
    amount: int = 0
    """Stroops."""
    times: int = 0

    def plain(self) -> dict[str, Any]:
        return {
            "from": self.source,
            "to": self.to,
            "asset": self.asset,
            "why": self.why,
            "amount": str(self.amount),
            "times": self.times,
        }
