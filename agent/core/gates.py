"""When work pauses: a table of gates, each a name and a predicate with hysteresis.

Rules. A gate shuts beyond one threshold and opens again beyond another; in between, and while its
quantity cannot be known, it stays as it is. A shut gate bars kinds of work: training (the car goes on
collecting frames) or transfers (bundles wait for a better link). `look` is pure: the gates that were shut
go in, those that are shut now come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from agent.core.conditions import Conditions


@dataclass(frozen=True, slots=True)
class GateLimits:
    """The thresholds, named as in the configuration's section [gates], where their defaults stand."""

    pause_above_c: float
    resume_below_c: float
    pause_below_volts: float
    resume_above_volts: float
    disk_free_mb: int
    pause_above_load: float
    resume_below_load: float
    metered: Literal["wait", "use"]


BANDS = (
    ("resume_below_c", "pause_above_c"),
    ("pause_below_volts", "resume_above_volts"),
    ("resume_below_load", "pause_above_load"),
)
"""Limits that are the two ends of a gate's band, the lower one first."""


class Work(str, Enum):
    TRAINING = "training"
    TRANSFERS = "transfers"


BOTH = frozenset(Work)
TRAINING = frozenset({Work.TRAINING})
TRANSFERS = frozenset({Work.TRANSFERS})

ROOM = 1.25
"""A full disk counts as freed with a quarter more than the least: a log line must not shut it again."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`shut` says True, False, or None for: as it was."""

    name: str
    bars: frozenset[Work]
    shut: Callable[[Conditions, GateLimits], bool | None]
    why: str


def _above(value: float | None, shuts: float, opens: float) -> bool | None:
    if value is None or opens <= value <= shuts:
        return None
    return value > shuts


def _below(value: float | None, shuts: float, opens: float) -> bool | None:
    if value is None or shuts <= value <= opens:
        return None
    return value < shuts


def _hot(now: Conditions, limits: GateLimits) -> bool | None:
    return _above(now.temperature_c, limits.pause_above_c, limits.resume_below_c)


def _drained(now: Conditions, limits: GateLimits) -> bool | None:
    return _below(now.battery_volts, limits.pause_below_volts, limits.resume_above_volts)


def _parked(now: Conditions, limits: GateLimits) -> bool | None:
    return None if now.ignition is None else not now.ignition


def _full(now: Conditions, limits: GateLimits) -> bool | None:
    least = limits.disk_free_mb * 1e6
    return _below(now.disk_free_bytes, least, least * ROOM)


def _busy(now: Conditions, limits: GateLimits) -> bool | None:
    return _above(now.cpu_load, limits.pause_above_load, limits.resume_below_load)


def _metered(now: Conditions, limits: GateLimits) -> bool | None:
    return None if now.metered is None else now.metered and limits.metered == "wait"


def _held(now: Conditions, limits: GateLimits) -> bool | None:
    return now.held


GATES = (
    Gate("temperature", TRAINING, _hot, "The machine is too hot. Training goes on once it has cooled down."),
    Gate("battery", BOTH, _drained, "The car's battery is low. Work goes on once it is charged."),
    Gate("ignition", TRAINING, _parked, "The ignition is off. Training goes on when the car is on again."),
    Gate("disk", BOTH, _full, "The disk is nearly full. Work goes on once there is room."),
    Gate("load", TRAINING, _busy, "Other programs need the processor. Training goes on when they are done."),
    Gate("link", TRANSFERS, _metered, "The link is metered. Bundles wait for another one."),
    Gate("hold", BOTH, _held, "An operator holds the vehicle. Work goes on when the hold is lifted."),
)


def look(closed: Iterable[str], now: Conditions, limits: GateLimits) -> frozenset[str]:
    """The names of the gates that are shut now, given those that were."""
    before = frozenset(closed)
    said = {gate.name: gate.shut(now, limits) for gate in GATES}
    return frozenset(name for name, shut in said.items() if shut or (shut is None and name in before))


def barred(closed: Iterable[str], work: Work) -> tuple[Gate, ...]:
    """The shut gates that bar this work, in the table's order; none: it may go on."""
    shut = frozenset(closed)
    return tuple(gate for gate in GATES if gate.name in shut and work in gate.bars)
