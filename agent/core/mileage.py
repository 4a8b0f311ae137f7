"""How many metres the car drove: the best evidence of each reading, and what is not believed.

Rules. Readings come in any mixture: a wheel odometer, a speed, a GPS position, in one stream or several.

1. The odometer counts while it is heard. Otherwise the speed, integrated. Otherwise the straight line between
   two positions, so that a tunnel driven without any other evidence is not lost.
2. Nothing is counted twice: what speed or position bridged is taken off when the odometer comes back.
3. Movement with the ignition off is a ferry, a tow or a trailer: nothing is counted.
4. Faster than `top_kmh` did not happen, at whatever rate it is said: an odometer that goes so fast is in another
   unit, and is not heard for a while. A speed that stays the same to the last digit while no position moves is a
   frozen signal, not a drive; one in whole km/h on a motorway is cruise control.
5. Clocks jump: time that runs backwards or leaps is never integrated over, and is `gap_s` at most elsewhere; `sparse_s`
   between two speeds, since some cars say theirs every ten seconds or when it changes.

Pure: no clock, no file. What is remembered between readings holds positions, so it is never stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius, IUGG."""

CREEP_KMH = 1.0
"""Below this a speed is the noise of a receiver at rest."""

STEP_M = 25.0
"""A position must move this far before it counts: a receiver at rest wanders by 5 to 15 m."""

SLACK_M = 50.0
"""Rounding, latency and a receiver's usual error, on top of what top speed allows."""

COARSEST_M = 1000.0
"""What an odometer's last digit may be worth."""

WINDOW_S = 60.0
"""The stretch over which an odometer's rate is looked at."""

SILENCE_S = 1800.0
"""No silence explains more driving than this: past it a leap of the clock is likelier than a tunnel."""

SETTLED_FIXES = 5
"""So many fixes in a row must agree before a position that jumped is believed."""


class Place(Protocol):
    """WGS 84."""

    @property
    def latitude_deg(self) -> float: ...
    @property
    def longitude_deg(self) -> float: ...
    @property
    def accuracy_m(self) -> float | None: ...


class Moment(Protocol):
    """What `agent.ports.Reading` says about movement. None: this source does not say."""

    @property
    def t(self) -> float: ...
    @property
    def speed_kmh(self) -> float | None: ...
    @property
    def travelled_m(self) -> float | None: ...
    @property
    def ignition(self) -> bool | None: ...
    @property
    def position(self) -> Place | None: ...


Point = tuple[float, float]
"""Latitude and longitude in degrees."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is believed of a car."""

    top_kmh: float = 250.0
    gap_s: float = 5.0
    """A source is heard while it spoke within this."""
    sparse_s: float = 60.0
    """Speeds further apart than this are not joined up."""
    stuck_s: float = 60.0
    """A speed that is the same to the last digit for so long, with no other witness, is frozen."""
    cruise_s: float = 1800.0
    """The same where the source says whole km/h and has changed before."""
    doubt_s: float = 60.0
    """How long an odometer that went faster than a car can is not heard."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something a source said that was not counted. `metres`: what it would have been."""

    what: str
    metres: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What the last readings said. Holds positions: never stored, and not shown when it is printed."""

    t: float | None = None
    ignition: bool | None = None
    travelled_m: float | None = None
    travelled_t: float = -math.inf
    turned_t: float = -math.inf
    """When the odometer last showed another value: one that counts in hundreds of metres stands still in between."""
    digit_m: float = math.inf
    """The odometer's smallest step so far."""
    window_t: float = -math.inf
    window_m: float = 0.0
    """Where the stretch begins in which the odometer's rate is looked at."""
    doubted_t: float = -math.inf
    """When the odometer last went faster than a car can."""
    bridged_m: float = 0.0
    """Counted by speed or position since the odometer was last heard."""
    speed_kmh: float | None = None
    speed_t: float = -math.inf
    same_s: float = 0.0
    """For how long the speed has not changed by a digit."""
    whole: bool = True
    """Whether all speeds so far were whole km/h."""
    changed: bool = False
    """Whether one moving speed has followed another."""
    place: Point | None = field(default=None, repr=False)
    """The last believed position."""
    place_t: float = -math.inf
    anchor: Point | None = field(default=None, repr=False)
    """Where the next STEP_M are measured from."""
    suspect: Point | None = field(default=None, repr=False)
    suspects: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What one reading amounts to. `moving` is None when it held no evidence of movement or rest."""

    metres: float = 0.0
    moving: bool | None = None
    elapsed_s: float = 0.0
    doubts: tuple[Doubt, ...] = ()


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance (haversine) in metres."""
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


def count(memory: Memory, seen: Moment, bounds: Bounds) -> tuple[Memory, Counted]:
    """Take one reading into account."""
    if not math.isfinite(seen.t):
        return memory, Counted(doubts=(Doubt("a time stamp that is no number", 0.0),))
    step_s = 0.0 if memory.t is None else seen.t - memory.t
    clock_went_back = step_s < -bounds.gap_s
    before = _on_another_clock(memory, seen.t) if clock_went_back else memory
    if memory.ignition is False and seen.ignition:
        before = Memory()  # whatever moved the car meanwhile, it did not drive
    ignition = before.ignition if seen.ignition is None else seen.ignition
    # Two sources are never quite in step: a reading may come a little after a later one.
    t = seen.t if before.t is None or clock_went_back else max(seen.t, before.t)
    memory = replace(before, t=t, ignition=ignition)

    memory, by_position = _by_position(memory, seen, bounds)
    memory, by_odometer = _by_odometer(memory, seen, bounds)
    memory, by_speed = _by_speed(memory, seen, bounds)
    if by_odometer.moving is not None or seen.t - memory.travelled_t <= bounds.gap_s:
        best = by_odometer
    elif by_speed.moving is None and seen.t - memory.speed_t <= bounds.gap_s:
        best = Counted()
    elif by_speed.moving is None:
        best = by_position
    elif bounds.gap_s < seen.t - before.speed_t < math.inf and by_position.moving is not None:
        best = replace(by_speed, metres=_bridge(before.place, memory.place))
    else:
        best = by_speed

    metres = best.metres if memory.ignition is not False else 0.0
    if best is not by_odometer:
        memory = replace(memory, bridged_m=memory.bridged_m + metres)
    doubts = by_odometer.doubts + by_speed.doubts + by_position.doubts
    if clock_went_back:
        doubts = (Doubt("a clock that went back", 0.0), *doubts)
    return memory, Counted(metres, best.moving, min(max(step_s, 0.0), bounds.gap_s), doubts)


def _on_another_clock(memory: Memory, t: float) -> Memory:
    """When the clock went back, every remembered time is worthless; what was known at those times is not."""
    travelled_t, turned_t, place_t = (min(then, t) for then in (memory.travelled_t, memory.turned_t, memory.place_t))
    return replace(
        memory,
        travelled_t=travelled_t,
        turned_t=turned_t,
        window_t=-math.inf,
        doubted_t=min(memory.doubted_t, t),
        speed_t=-math.inf,
        place_t=place_t,
    )


def _by_odometer(memory: Memory, seen: Moment, bounds: Bounds) -> tuple[Memory, Counted]:
    """Difference to the last odometer value; a value that went back is a source that restarted."""
    now = _finite(seen.travelled_m)
    if now is None or seen.t < memory.travelled_t:
        return memory, Counted()
    before, since_s, bridged_m = memory.travelled_m, seen.t - memory.travelled_t, memory.bridged_m
    memory, too_fast = _rate(memory, now, seen.t, bounds)
    if seen.t - memory.doubted_t <= bounds.doubt_s:
        doubts = (Doubt("an odometer faster than any car", too_fast),) if too_fast else ()
        return replace(memory, travelled_m=now), Counted(doubts=doubts)
    turned_s = seen.t - memory.turned_t
    turned_t = memory.turned_t if now == before else seen.t
    memory = replace(memory, travelled_m=now, travelled_t=seen.t, turned_t=turned_t, bridged_m=0.0)
    if before is None or now < before:
        return memory, Counted(moving=False)
    step_m = now - before
    if step_m > min(_reach(turned_s, bounds), _reach(since_s, bounds) + COARSEST_M):
        return memory, Counted(moving=False, doubts=(Doubt("an odometer that jumped", step_m),))
    moving = step_m > since_s * CREEP_KMH / 3.6
    memory = replace(memory, same_s=0.0 if moving else memory.same_s)
    return memory, Counted(max(0.0, step_m - bridged_m), moving)


def _rate(memory: Memory, now: float, t: float, bounds: Bounds) -> tuple[Memory, float]:
    """Whether the odometer went further than any car in the last WINDOW_S, however small its steps are: (memory,
    metres, 0 if not). A single jump is another matter."""
    step_m = now - memory.travelled_m if memory.travelled_m is not None else 0.0
    if 0 < step_m < _reach(t - memory.travelled_t, bounds):
        memory = replace(memory, digit_m=min(memory.digit_m, step_m))
    elif step_m:
        return replace(memory, window_t=t, window_m=now), 0.0
    if not 0 <= t - memory.window_t <= WINDOW_S or now < memory.window_m:
        return replace(memory, window_t=t, window_m=now), 0.0
    gone_m = now - memory.window_m
    if gone_m <= _reach(t - memory.window_t, bounds) + min(memory.digit_m, COARSEST_M):
        return memory, 0.0
    return replace(memory, window_t=t, window_m=now, doubted_t=t), gone_m


def _by_speed(memory: Memory, seen: Moment, bounds: Bounds) -> tuple[Memory, Counted]:
    """Trapezoid between the last two speeds."""
    if (signed := _finite(seen.speed_kmh)) is None or seen.t < memory.speed_t:
        return memory, Counted()
    now, since_s = abs(signed), seen.t - memory.speed_t  # reverse is driving too
    if now > bounds.top_kmh:
        doubt = Doubt("a speed no car reaches", now / 3.6 * min(since_s, bounds.gap_s))
        return memory, Counted(doubts=(doubt,))
    now = now if now >= CREEP_KMH else 0.0
    joined = memory.speed_kmh is not None and 0 < since_s <= bounds.sparse_s
    same_s = memory.same_s + since_s if joined and now and now == memory.speed_kmh else 0.0
    metres = (memory.speed_kmh + now) / 2 / 3.6 * since_s if joined and memory.speed_kmh is not None else 0.0
    changed = memory.changed or bool(now and memory.speed_kmh and now != memory.speed_kmh)
    whole = memory.whole and now == round(now)
    stuck_s = bounds.cruise_s if whole and changed else bounds.stuck_s
    newly_stuck = memory.same_s <= stuck_s < same_s
    memory = replace(memory, speed_kmh=now, speed_t=seen.t, same_s=same_s, whole=whole, changed=changed)
    if same_s <= stuck_s:
        return memory, Counted(metres, moving=now > 0)
    doubts = (Doubt("a speed that never changes", metres),) if newly_stuck else ()
    return memory, Counted(moving=False, doubts=doubts)


def _by_position(memory: Memory, seen: Moment, bounds: Bounds) -> tuple[Memory, Counted]:
    """The straight line since the anchor, once it is STEP_M long."""
    here = _point(seen.position)
    if here is None or seen.t < memory.place_t:
        return memory, Counted()
    if memory.place is None or memory.anchor is None:
        return replace(memory, place=here, place_t=seen.t, anchor=here), Counted()
    if distance_m(memory.place, here) > _reach(seen.t - memory.place_t, bounds):
        return _suspect(memory, here, seen.t)
    memory = replace(memory, place=here, place_t=seen.t, suspect=None, suspects=0)
    step_m = distance_m(memory.anchor or here, here)
    if step_m < STEP_M:
        return memory, Counted(moving=False)
    return replace(memory, anchor=here, same_s=0.0), Counted(step_m, moving=True)


def _suspect(memory: Memory, here: Point, t: float) -> tuple[Memory, Counted]:
    """A position out of reach: believed as a place once several agree, never as distance."""
    if memory.suspect is None or distance_m(memory.suspect, here) > 2 * SLACK_M:
        doubt = Doubt("a position that jumped", distance_m(memory.place or here, here))
        return replace(memory, suspect=here, suspects=1), Counted(doubts=(doubt,))
    if memory.suspects + 1 < SETTLED_FIXES:
        return replace(memory, suspect=here, suspects=memory.suspects + 1), Counted()
    return replace(memory, place=here, place_t=t, anchor=here, suspect=None, suspects=0), Counted()


def _bridge(before: Point | None, after: Point | None) -> float:
    return distance_m(before, after) if before and after else 0.0


def _reach(seconds: float, bounds: Bounds) -> float:
    return bounds.top_kmh / 3.6 * min(max(seconds, 0.0), SILENCE_S) + SLACK_M


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _point(place: Place | None) -> Point | None:
    if place is None or not (-90 <= place.latitude_deg <= 90 and -180 <= place.longitude_deg <= 180):
        return None
    return place.latitude_deg, place.longitude_deg
