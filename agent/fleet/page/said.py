"""What a vehicle says comes from outside: typed, bounded and plain before anybody keeps or shows it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agent.core.plain import plain
from agent.fleet.reading import MOST
from agent.fleet.status import EVERY

MAX_NUMBER = 10**9
"""Of a round, as a vehicle says it."""
MAX_TEXT = 300
_AMOUNT = re.compile(r"-?[0-9]{1,19}")

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(plain)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain)]
Time = Annotated[float, Field(ge=0, le=4e10)]
"""Seconds since the epoch, up to the year 3237."""
Seq = Annotated[int, Field(ge=-1, le=MOST)]


class Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Trip(Said):
    phase: Text
    metres: float
    total: float


class Training(Said):
    samples: int
    steps: int
    loss: float | None
    device: Text


class Doing(Said):
    job: Text
    state: Text


class About(Said):
    account: Text = ""
    software: Text = ""
    profile: Text = ""
    trip: Trip | None = None
    training: Training | None = None
    jobs: list[Doing] = Field(default=[], max_length=50)


class Status(Said):
    status: Literal["online", "stopped", "offline"]
    session: Name
    at: Time = 0.0


class Condition(About):
    """`state`: how it stands."""

    healthy: bool
    troubles: list[str]
    every: float = EVERY
    at: Time = 0.0


class Event(Said):
    job: Name
    kind: Name
    data: dict[str, Any]
    at: Time
    journal: Name
    seq: Seq
    after: Seq


class FalseRound(Said):
    """`false`: a round that a validator does not serve, on a topic of its own."""

    round: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(plain)]
    model: Annotated[str, StringConstraints(max_length=80), AfterValidator(plain)]
    number: int
    why: Text


def short(value: Any) -> Any:
    """One fact of a job. Amounts as text: JavaScript's numbers do not hold 63 bits."""
    if isinstance(value, str):
        return plain(value[:MAX_TEXT])
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, bool | float | None) else None


def amount(value: Any) -> int:
    """Stroops, from a number or its text; 0 for anything else and anything that no ledger holds."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return found if _AMOUNT.fullmatch(text) and abs(found := int(text)) <= MOST else 0


def number(value: Any) -> int:
    """A round's number; 0 for anything else."""
    return min(max(value, 0), MAX_NUMBER) if isinstance(value, int) and not isinstance(value, bool) else 0
