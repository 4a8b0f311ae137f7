"""How many metres the car drove: the best evidence of each reading, and what is not believed.

Rules. Readings come in any mixture: a wheel odometer, a speed, a GPS position, in one stream or several.

1. The odometer counts while it is heard. Otherwise the speed of the wheels, integrated. Otherwise the receiver: its
   speed where its position agrees, and the straight line where it was silent, so that a tunnel is not lost.
2. Nothing is counted twice: what speed or position bridged is taken off when the odometer comes back.
3. Movement with the ignition off is a ferry, a tow or a trailer: nothing is counted. So is what the receiver sees after
   the wheels were last heard standing, unless the ignition is on.
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

from agent.core.reading import Position, Reading
from agent.core.trail import TRAIL_S, Mark, Point, distance_m, gone, grown

CREEP_KMH = 1.0
"""Below this a speed is the noise of a receiver at rest."""

STEP_M = 25.0
"""A position must move this far before it counts: a receiver at rest wanders by 5 to 15 m."""

START_MPS = 1.5
"""A receiver at rest says 0.3 to 0.8 m/s on average, and up to 2 m/s at times."""

AWAY_M = 100.0
"""No receiver wanders so far: the car crept, or drove where nothing was received."""

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is believed of a car."""

    top_kmh: float
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
    """Where the car rests by the receiver, or where the next STEP_M without a speed are measured from."""
    driving: bool = False
    """By the receiver."""
    trail: tuple[Mark, ...] = field(default=(), repr=False)
    """The last TRAIL_S, a mark a second."""
    received_m: float = 0.0
    wheels_t: float = -math.inf
    """When the wheels' speed was last heard, and whether they stood then."""
    wheels_still: bool = False
    suspect: Point | None = field(default=None, repr=False)
    suspects: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What one reading amounts to. `moving` is None when it held no evidence of movement or rest."""

    metres: float = 0.0
    moving: bool | None = None
    elapsed_s: float = 0.0
    doubts: tuple[Doubt, ...] = ()


def count(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
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

    memory, by_odometer = _by_odometer(memory, seen, bounds)
    memory, by_speed = _by_speed(memory, seen, bounds)
    memory = _wheels(memory, seen, by_odometer, by_speed)
    memory, by_receiver = _by_receiver(memory, seen, by_speed, seen.t - before.speed_t, bounds)
    if by_odometer.moving is not None or seen.t - memory.travelled_t <= bounds.gap_s:
        best = by_odometer
    elif memory.wheels_t == seen.t:
        best = by_speed
    elif seen.t - memory.wheels_t <= bounds.gap_s:
        best = by_speed if by_speed.moving is not None and not memory.wheels_still else Counted()
    elif memory.wheels_still and memory.ignition is not True:
        best = replace(by_receiver, metres=0.0, moving=None if by_receiver.moving else by_receiver.moving)
    else:
        best = by_receiver

    metres = best.metres if memory.ignition is not False else 0.0
    if best is not by_odometer:
        memory = replace(memory, bridged_m=memory.bridged_m + metres)
    doubts = by_odometer.doubts + by_speed.doubts + by_receiver.doubts
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
        wheels_t=min(memory.wheels_t, t),
        trail=() if memory.place is None else (Mark(t, memory.place, memory.received_m),),
    )


def _by_odometer(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
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


def _by_speed(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
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


def _wheels(memory: Memory, seen: Reading, by_odometer: Counted, by_speed: Counted) -> Memory:
    """What the wheels say: an odometer, or a speed that did not come with a position."""
    if by_odometer.moving is not None:
        return replace(memory, wheels_still=not by_odometer.moving)
    if by_speed.moving is None or _point(seen.position) is not None:
        return memory
    return replace(memory, wheels_t=seen.t, wheels_still=not by_speed.moving)


def _by_receiver(
    memory: Memory, seen: Reading, by_speed: Counted, speed_s: float, bounds: Bounds
) -> tuple[Memory, Counted]:
    """What position and speed of a receiver amount to together. `speed_s`: since the last speed."""
    here = _point(seen.position)
    if here is None or seen.t < memory.place_t:
        return memory, Counted()
    if memory.place is None or memory.anchor is None:
        return _resting(replace(memory, place=here, place_t=seen.t), here, seen.t), Counted()
    place, anchor = memory.place, memory.anchor
    silent_s, line_m = seen.t - memory.place_t, distance_m(place, here)
    if line_m > _reach(silent_s, bounds):
        return _suspect(memory, here, seen.t)
    away_m = max(AWAY_M, 4 * _accuracy(seen.position))
    memory = replace(memory, place=here, place_t=seen.t, suspect=None, suspects=0)
    if silent_s > TRAIL_S:
        drove = line_m >= (STEP_M if memory.driving else away_m)
        memory = _resting(memory, here, seen.t, driving=line_m >= away_m)
        return memory, Counted(line_m if drove else 0.0, moving=drove)
    has_speed = by_speed.moving is not None and speed_s <= bounds.gap_s
    step_m = by_speed.metres if has_speed else distance_m(anchor, here)
    if not has_speed and memory.driving and step_m < STEP_M:
        step_m = 0.0
    elif not has_speed and memory.driving:
        memory = replace(memory, anchor=here)
    received_m = memory.received_m + (step_m if has_speed or memory.driving else 0.0)
    trail = grown(memory.trail, Mark(seen.t, here, received_m))
    memory = replace(memory, received_m=received_m, trail=trail)
    gone_m, seconds = gone(trail), seen.t - trail[0].t
    moves = gone_m >= max(STEP_M, 1.5 * _accuracy(seen.position))
    runs = received_m - trail[0].metres >= START_MPS * seconds
    if moves:
        memory = replace(memory, same_s=0.0)
    if memory.driving:
        rests = seconds >= TRAIL_S / 2 and not moves and not (has_speed and runs)
        memory = _resting(memory, here, seen.t) if rests else memory
        return memory, Counted(step_m, moving=step_m > 0 or not rests)
    if runs and moves if has_speed else gone_m >= 2 * STEP_M:  # without a speed the position is the only witness
        metres = received_m - trail[0].metres if has_speed else distance_m(trail[0].place, here)
        return replace(memory, driving=True, anchor=here), Counted(metres, moving=True)
    crept_m = distance_m(anchor, here)
    if crept_m >= away_m:
        return _resting(memory, here, seen.t, driving=True), Counted(crept_m, moving=True)
    return memory, Counted(moving=False)


def _resting(memory: Memory, here: Point, t: float, driving: bool = False) -> Memory:
    """Everything by the receiver is measured from here on."""
    return replace(memory, anchor=here, driving=driving, trail=(Mark(t, here, memory.received_m),))


def _suspect(memory: Memory, here: Point, t: float) -> tuple[Memory, Counted]:
    """A position out of reach: believed as a place once several agree, never as distance."""
    if memory.suspect is None or distance_m(memory.suspect, here) > 2 * SLACK_M:
        doubt = Doubt("a position that jumped", distance_m(memory.place or here, here))
        return replace(memory, suspect=here, suspects=1), Counted(doubts=(doubt,))
    if memory.suspects + 1 < SETTLED_FIXES:
        return replace(memory, suspect=here, suspects=memory.suspects + 1), Counted()
    memory = replace(memory, place=here, place_t=t, suspect=None, suspects=0)
    return _resting(memory, here, t, memory.driving), Counted()


def _reach(seconds: float, bounds: Bounds) -> float:
    return bounds.top_kmh / 3.6 * min(max(seconds, 0.0), SILENCE_S) + SLACK_M


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _accuracy(place: Position | None) -> float:
    """Metres, 0 where the receiver does not say."""
    accuracy_m = None if place is None else _finite(place.accuracy_m)
    return 0.0 if accuracy_m is None else min(max(accuracy_m, 0.0), AWAY_M)


def _point(place: Position | None) -> Point | None:
    if place is None or not (-90 <= place.latitude_deg <= 90 and -180 <= place.longitude_deg <= 180):
        return None
    return place.latitude_deg, place.longitude_deg
