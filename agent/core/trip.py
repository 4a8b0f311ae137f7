"""When a trip begins and when it is over.

Rules. Metres are counted from the end of the last trip (agent.core.mileage). Once they reach the trigger
distance a trip opens; it closes on arrival: ignition off, a standstill, a geofence entered, or a source gone
silent. Every metre belongs to exactly one trip, and the trigger distance keeps trips from flickering.

Pure: `advance` takes what was seen and gives the next state and what happened. The state has two parts.
`Mileage` are plain numbers that the daemon stores, so that metres driven outlive a restart; `Recent` holds
timers and the last position, lives in memory only, and is rebuilt by the first readings.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from agent.core.mileage import Bounds, Counted, Doubt, Memory, count
from agent.core.reading import Reading
from agent.core.trail import distance_m


class Phase(str, Enum):
    WAITING = "waiting"
    OPEN = "open"


class Evidence(str, Enum):
    """What the readings amount to. The last four are the reasons for which a trip closes."""

    TRIGGERED = "triggered"
    IGNITION_OFF = "ignition_off"
    STANDSTILL = "standstill"
    GEOFENCE = "geofence"
    SILENCE = "silence"


TABLE: dict[tuple[Phase, Evidence], Phase] = {
    (Phase.WAITING, Evidence.TRIGGERED): Phase.OPEN,
    (Phase.OPEN, Evidence.IGNITION_OFF): Phase.WAITING,
    (Phase.OPEN, Evidence.STANDSTILL): Phase.WAITING,
    (Phase.OPEN, Evidence.GEOFENCE): Phase.WAITING,
    (Phase.OPEN, Evidence.SILENCE): Phase.WAITING,
}
"""A sign that is not here for the phase changes nothing: a car that stands is no news while it waits."""

STILL_M = 15.0
"""Less than this within `standstill_s` is standing: a crawl in the depot, a receiver that wanders."""

LEAVE = 1.2
"""A fence is left only this much outside its radius, so that its edge does not flicker."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A place where trips end: a depot, a home. From the configuration; never stored elsewhere."""

    latitude_deg: float
    longitude_deg: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class TripRules:
    """When trips open and close. The defaults stand in the configuration's section [trip]."""

    trigger_m: float
    """Metres driven since the last trip's end that open the next."""
    standstill_s: float
    """Longer than a traffic light."""
    ignition_off_s: float
    """Longer than cranking the engine."""
    silence_s: float
    """Longer than any tunnel."""
    bounds: Bounds
    fences: tuple[Fence, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """`seconds` passed since the last reading or tick, and nothing was read."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TripOpened:
    """`distance_m` were driven since the last trip's end."""

    distance_m: float


@dataclass(frozen=True, slots=True)
class TripClosed:
    """`distance_m` were driven since the last trip's end, and the trip was open for `duration_s`."""

    reason: Evidence
    distance_m: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Doubted:
    """A source said something that was not counted, so that it can be logged and counted as such."""

    doubt: Doubt


TripEvent = TripOpened | TripClosed | Doubted


@dataclass(frozen=True, slots=True)
class Mileage:
    """What outlives a restart. Plain numbers, no position, no time of day."""

    phase: Phase = Phase.WAITING
    total_m: float = 0.0
    since_m: float = 0.0
    """Since the last trip's end."""
    open_s: float = 0.0
    doubts: int = 0


class Recent(NamedTuple):
    """Timers and the last readings. In memory only: it knows where the car is."""

    memory: Memory = Memory()
    moving: bool | None = None
    ticked_s: float = 0.0
    still_s: float = 0.0
    still_m: float = 0.0
    silent_s: float = 0.0
    off_s: float = 0.0
    inside: bool | None = None


@dataclass(frozen=True, slots=True)
class TripState:
    mileage: Mileage = field(default_factory=Mileage)
    recent: Recent = field(default_factory=Recent)

    def stored(self) -> dict[str, float | int | str]:
        """For the journal: JSON of numbers and one word."""
        return {**asdict(self.mileage), "phase": self.mileage.phase.value}

    @classmethod
    def restored(cls, stored: dict[str, float | int | str]) -> TripState:
        """The state after a restart, from what `stored` gave. Else raises KeyError or ValueError."""
        numbers = {name: float(stored[name]) for name in ("total_m", "since_m", "open_s")}
        if not all(math.isfinite(number) and number >= 0 for number in numbers.values()):
            raise ValueError(f"a stored mileage that is no distance: {numbers}")
        return cls(Mileage(Phase(stored["phase"]), doubts=int(stored["doubts"]), **numbers))


def advance(rules: TripRules, state: TripState, seen: Reading | Tick) -> tuple[TripState, tuple[TripEvent, ...]]:
    """The state after one reading or tick, and what happened by it, oldest first."""
    if isinstance(seen, Tick):
        seconds = min(max(seen.seconds, 0.0), rules.bounds.gap_s) if math.isfinite(seen.seconds) else 0.0
        counted = Counted(elapsed_s=seconds)
        recent = state.recent._replace(ticked_s=state.recent.ticked_s + seconds)
    else:
        memory, counted = count(state.recent.memory, seen, rules.bounds)
        if state.recent.ticked_s:  # ticks already accounted for the silence before this reading
            counted = replace(counted, elapsed_s=max(0.0, counted.elapsed_s - state.recent.ticked_s))
        recent = state.recent._replace(memory=memory, ticked_s=0.0)
    recent, entered = _fence(rules, _timers(recent, counted))
    mileage = replace(
        state.mileage,
        total_m=state.mileage.total_m + counted.metres,
        since_m=state.mileage.since_m + counted.metres,
        open_s=state.mileage.open_s + (counted.elapsed_s if state.mileage.phase is Phase.OPEN else 0.0),
        doubts=state.mileage.doubts + len(counted.doubts),
    )
    doubted = tuple(Doubted(doubt) for doubt in counted.doubts)
    mileage, happened = _turn(mileage, _signs(rules, mileage, recent, entered))
    if happened:
        recent = recent._replace(still_s=0.0, still_m=0.0, silent_s=0.0)
    return TripState(mileage, recent), (*doubted, *happened)


def _turn(mileage: Mileage, signs: tuple[Evidence, ...]) -> tuple[Mileage, tuple[TripEvent, ...]]:
    """The first sign that the table knows in this phase is the one that counts."""
    for sign in signs:
        phase = TABLE.get((mileage.phase, sign))
        if phase is Phase.OPEN:
            return replace(mileage, phase=phase, open_s=0.0), (TripOpened(mileage.since_m),)
        if phase is Phase.WAITING:
            closed = TripClosed(sign, mileage.since_m, mileage.open_s)
            return replace(mileage, phase=phase, since_m=0.0, open_s=0.0), (closed,)
    return mileage, ()


def _signs(rules: TripRules, mileage: Mileage, recent: Recent, entered: bool) -> tuple[Evidence, ...]:
    checks = (
        (Evidence.TRIGGERED, mileage.since_m >= rules.trigger_m),
        (Evidence.IGNITION_OFF, recent.off_s >= rules.ignition_off_s),
        (Evidence.GEOFENCE, entered),
        (Evidence.STANDSTILL, recent.still_s >= rules.standstill_s),
        (Evidence.SILENCE, recent.silent_s >= rules.silence_s),
    )
    return tuple(sign for sign, holds in checks if holds)


def _timers(recent: Recent, counted: Counted) -> Recent:
    """How long the car has stood, been silent, been switched off."""
    seconds = counted.elapsed_s
    moving = recent.moving if counted.moving is None else counted.moving
    off_s = recent.off_s + seconds if recent.memory.ignition is False else 0.0
    if counted.moving is None and moving is not False:
        return recent._replace(off_s=off_s, silent_s=recent.silent_s + seconds)
    still_m = recent.still_m + counted.metres
    if still_m > STILL_M:
        return recent._replace(moving=moving, off_s=off_s, silent_s=0.0, still_s=0.0, still_m=0.0)
    still_s = recent.still_s + seconds
    return recent._replace(moving=moving, off_s=off_s, silent_s=0.0, still_s=still_s, still_m=still_m)


def _fence(rules: TripRules, recent: Recent) -> tuple[Recent, bool]:
    """Whether a fence was entered just now. A trip that began inside ends on the next entry, not at once."""
    place = recent.memory.place
    if place is None or not rules.fences:
        return recent, False
    nearness = min(
        distance_m(place, (fence.latitude_deg, fence.longitude_deg)) / max(fence.radius_m, 1.0)
        for fence in rules.fences
    )
    inside = nearness <= 1.0 or (recent.inside is True and nearness <= LEAVE)
    return recent._replace(inside=inside), inside and recent.inside is False
