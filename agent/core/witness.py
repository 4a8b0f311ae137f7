"""What each witness of movement says by itself: an odometer, the speed of the wheels, a receiver. Whom to believe is
`agent.core.mileage`'s.

Pure: no clock, no file. What is remembered between readings holds positions, so it is never stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

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

CREPT = 1.5
"""A car creeps in a jam where the receiver's speed and position come to the same by this factor."""

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


LIVELY_S = 10.0
"""A speed that has not changed by a digit for so long contradicts nobody."""

MILE_KMH = 1.609344
"""A whole mile an hour; some senders round it to a tenth of a km/h."""

STANDS_S = 10
"""A mark a second: over so many a receiver shows that a car which says a hundred metres stands."""

APART = 0.3
"""Witnesses differ by this share at most: speedometers may read a tenth and 4 km/h high (UN ECE R39)."""


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
    """The same where the source says whole km/h, or whole mph, and has changed before."""
    doubt_s: float = 60.0
    """How long an odometer that went faster than a car can, or that the speed contradicts, is not heard."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something a source said that was not counted. `metres`: what it would have been."""

    what: str
    metres: float


@dataclass(frozen=True, slots=True)
class Speed:
    """A speed as wheels or a receiver said it last."""

    kmh: float | None = None
    t: float = -math.inf
    same_s: float = 0.0
    """For how long it has not changed by a digit."""
    whole: bool = True
    """Whether all so far were whole km/h, and whether whole mph."""
    miles: bool = True
    changed: bool = False
    """Whether one moving speed has followed another."""

    def stuck_s(self, bounds: Bounds) -> float:
        """From when on it is frozen."""
        return bounds.cruise_s if (self.whole or self.miles) and self.changed else bounds.stuck_s


@dataclass(frozen=True, slots=True)
class Tally:
    """What the witnesses said since they were last compared, in metres."""

    odometer: float = 0.0
    wheels: float = 0.0
    receiver: float = 0.0
    counted: float = 0.0


@dataclass(frozen=True, slots=True)
class Beside:
    """Wheels or odometer, whichever is heard alone, beside the receiver since the two were last compared, in metres."""

    ours: float = 0.0
    receiver: float = 0.0
    counted: float = 0.0
    steps: int = 0
    """So often ours moved on."""
    unmatched: float = 0.0
    """By the receiver since ours last moved on, and the most that was ever so."""
    longest: float = 0.0


class Memory(NamedTuple):
    """What the last readings said. Holds positions: never stored, and not shown when it is printed.

    A named tuple, whose `_replace` takes a tenth of dataclasses.replace: each reading makes some eight of them.
    """

    t: float | None = None
    ignition: bool | None = None
    ignition_t: float = -math.inf
    travelled_m: float | None = None
    travelled_t: float = -math.inf
    turned_t: float = -math.inf
    """When the odometer last showed another value: one that counts in hundreds of metres stands still in between."""
    digit_m: float = math.inf
    """The odometer's smallest step so far."""
    jumped_t: float = -math.inf
    """When it last went further than a car can."""
    window_t: float = -math.inf
    window_m: float = 0.0
    """Where the stretch begins in which the odometer's rate is looked at."""
    doubted_t: float = -math.inf
    """When the odometer was last in doubt, and the wheels' speed."""
    unrolled_t: float = -math.inf
    bridged_m: float = 0.0
    """Counted by others since the odometer last moved on, since the wheels and since the receiver were last heard."""
    unheard_wheels_m: float = 0.0
    unheard_receiver_m: float = 0.0
    surplus_m: float = 0.0
    """Counted too much: withheld from what follows."""
    tally: Tally = Tally()
    beside: Beside = Beside()
    wheels: Speed = Speed()
    received: Speed = Speed()
    place: Point | None = None
    """The last believed position."""
    place_t: float = -math.inf
    anchor: Point | None = None
    """Where the car rests by the receiver, or where the next STEP_M without a speed are measured from."""
    anchor_m: float = 0.0
    """What the receiver's speed had come to there."""
    driving: bool = False
    """By the receiver."""
    trail: tuple[Mark, ...] = ()
    """The last TRAIL_S, a mark a second."""
    received_m: float = 0.0
    wheels_still: bool = False
    """Whether the wheels stood when odometer or speed were last heard."""
    suspect: Point | None = None
    suspects: int = 0

    def __repr__(self) -> str:
        return f"<Memory of {self.travelled_m} m, {self.wheels.kmh} km/h at {self.t}>"


@dataclass(frozen=True, slots=True)
class Counted:
    """What one reading amounts to. `moving` is None when it held no evidence of movement or rest."""

    metres: float = 0.0
    moving: bool | None = None
    elapsed_s: float = 0.0
    doubts: tuple[Doubt, ...] = ()


def on_another_clock(memory: Memory, t: float) -> Memory:
    """When the clock went back, every remembered time is worthless; what was known at those times is not."""
    travelled_t, turned_t, place_t = (min(then, t) for then in (memory.travelled_t, memory.turned_t, memory.place_t))
    return memory._replace(
        travelled_t=travelled_t,
        turned_t=turned_t,
        window_t=-math.inf,
        doubted_t=min(memory.doubted_t, t),
        unrolled_t=min(memory.unrolled_t, t),
        jumped_t=min(memory.jumped_t, t),
        ignition_t=min(memory.ignition_t, t),
        tally=Tally(),
        beside=Beside(),
        wheels=replace(memory.wheels, t=-math.inf),
        received=replace(memory.received, t=-math.inf),
        place_t=place_t,
        trail=() if memory.place is None else (Mark(t, memory.place, memory.received_m),),
    )


def by_odometer(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
    """Difference to the last odometer value; a value that went back is a source that restarted."""
    now = _finite(seen.travelled_m)
    if now is None or seen.t < memory.travelled_t:
        return memory, Counted()
    before, since_s = memory.travelled_m, seen.t - memory.travelled_t
    memory, too_fast = _rate(memory, now, seen.t, bounds)
    turned_s = seen.t - memory.turned_t
    turned_t = memory.turned_t if now == before else seen.t
    memory = memory._replace(travelled_m=now, travelled_t=seen.t, turned_t=turned_t)
    if too_fast:
        return memory, Counted(doubts=(Doubt("an odometer faster than any car", too_fast),))
    if before is None or now < before:
        return memory._replace(bridged_m=0.0), Counted(moving=False)
    step_m = now - before
    if step_m > min(_reach(turned_s, bounds), _reach(since_s, bounds) + COARSEST_M):
        again = seen.t - memory.jumped_t <= bounds.gap_s  # once is a spike
        doubted_t = seen.t if again else memory.doubted_t
        memory = memory._replace(bridged_m=0.0, jumped_t=seen.t, doubted_t=doubted_t)
        return memory, Counted(moving=False, doubts=(Doubt("an odometer that jumped", step_m),))
    moving = step_m > since_s * CREEP_KMH / 3.6
    if moving:
        digit_m, wheels = min(memory.digit_m, step_m), replace(memory.wheels, same_s=0.0)
        memory = memory._replace(digit_m=digit_m, wheels=wheels)
    return memory, Counted(step_m, moving)


def _rate(memory: Memory, now: float, t: float, bounds: Bounds) -> tuple[Memory, float]:
    """Whether the odometer went further than any car in the last WINDOW_S, however small its steps are: (memory,
    metres, 0 if not). A single jump is another matter."""
    step_m = now - memory.travelled_m if memory.travelled_m is not None else 0.0
    if 0 < step_m < _reach(t - memory.travelled_t, bounds):
        memory = memory._replace(digit_m=min(memory.digit_m, step_m))
    elif step_m:
        return memory._replace(window_t=t, window_m=now), 0.0
    if not 0 <= t - memory.window_t <= WINDOW_S or now < memory.window_m:
        return memory._replace(window_t=t, window_m=now), 0.0
    gone_m = now - memory.window_m
    if gone_m <= _reach(t - memory.window_t, bounds) + min(memory.digit_m, COARSEST_M):
        return memory, 0.0
    return memory._replace(window_t=t, window_m=now, doubted_t=t), gone_m


def by_wheels(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
    """A speed that did not come with a position, or came with an odometer."""
    if _point(seen.position) is not None and seen.travelled_m is None:
        return memory, Counted()
    wheels, counted = _by_speed(memory.wheels, seen, bounds)
    return memory._replace(wheels=wheels), counted


def _by_speed(before: Speed, seen: Reading, bounds: Bounds) -> tuple[Speed, Counted]:
    """Trapezoid between the last two speeds."""
    if (signed := _finite(seen.speed_kmh)) is None or seen.t < before.t:
        return before, Counted()
    now, since_s = abs(signed), seen.t - before.t  # reverse is driving too
    if now > bounds.top_kmh:
        doubt = Doubt("a speed no car reaches", now / 3.6 * min(since_s, bounds.gap_s))
        return before, Counted(doubts=(doubt,))
    now = now if now >= CREEP_KMH else 0.0
    joined = before.kmh is not None and 0 < since_s <= bounds.sparse_s
    metres = (before.kmh + now) / 2 / 3.6 * since_s if joined and before.kmh is not None else 0.0
    after = Speed(
        now,
        seen.t,
        same_s=before.same_s + since_s if joined and now and now == before.kmh else 0.0,
        whole=before.whole and now == round(now),
        miles=before.miles and abs(now - round(now / MILE_KMH) * MILE_KMH) <= 0.05,
        changed=before.changed or bool(now and before.kmh and now != before.kmh),
    )
    if after.same_s <= after.stuck_s(bounds):
        return after, Counted(metres, moving=now > 0)
    newly_stuck = before.same_s <= after.stuck_s(bounds)
    return after, Counted(moving=False, doubts=(Doubt("a speed that never changes", metres),) if newly_stuck else ())


def by_receiver(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
    """What position and speed of a receiver amount to together."""
    here = _point(seen.position)
    if here is None or seen.t < memory.place_t:
        return memory, Counted()
    speed_s = seen.t - memory.received.t
    received, by_speed = (memory.received, Counted())
    if seen.travelled_m is None:
        received, by_speed = _by_speed(received, seen, bounds)
        memory = memory._replace(received=received)
    memory, counted = _by_place(memory, seen, here, by_speed, speed_s, bounds)
    return memory, replace(counted, doubts=by_speed.doubts + counted.doubts)


def _by_place(
    memory: Memory, seen: Reading, here: Point, by_speed: Counted, speed_s: float, bounds: Bounds
) -> tuple[Memory, Counted]:
    """`by_speed`: what the receiver's speed alone amounts to; `speed_s`: since the one before."""
    if memory.place is None or memory.anchor is None:
        return _resting(memory._replace(place=here, place_t=seen.t), here, seen.t), Counted()
    place, anchor = memory.place, memory.anchor
    silent_s, line_m = seen.t - memory.place_t, distance_m(place, here)
    if line_m > _reach(silent_s, bounds):
        return _suspect(memory, here, seen.t)
    away_m = max(AWAY_M, 4 * _accuracy(seen.position))
    memory = memory._replace(place=here, place_t=seen.t, suspect=None, suspects=0)
    if silent_s > TRAIL_S:
        drove = line_m >= (STEP_M if memory.driving else away_m)
        memory = _resting(memory, here, seen.t, driving=line_m >= away_m)
        return memory, Counted(line_m if drove else 0.0, moving=drove)
    has_speed = by_speed.moving is not None and speed_s <= bounds.gap_s
    step_m = by_speed.metres if has_speed else distance_m(anchor, here)
    if not has_speed and memory.driving and step_m < STEP_M:
        step_m = 0.0
    elif not has_speed and memory.driving:
        memory = memory._replace(anchor=here)
    received_m = memory.received_m + (step_m if has_speed or memory.driving else 0.0)
    trail = grown(memory.trail, Mark(seen.t, here, received_m))
    memory = memory._replace(received_m=received_m, trail=trail)
    gone_m, seconds = gone(trail), seen.t - trail[0].t
    moves = gone_m >= max(STEP_M, 1.5 * _accuracy(seen.position))
    runs = received_m - trail[0].metres >= START_MPS * seconds
    memory = _agreed(memory, gone_m, seconds, moves, bounds)
    if memory.driving:
        rests = seconds >= TRAIL_S / 2 and not moves and not (has_speed and runs)
        memory = _resting(memory, here, seen.t) if rests else memory
        return memory, Counted(step_m, moving=step_m > 0 or not rests)
    if runs and moves if has_speed else gone_m >= 2 * STEP_M:  # without a speed the position is the only witness
        metres = received_m - trail[0].metres if has_speed else distance_m(trail[0].place, here)
        return memory._replace(driving=True, anchor=here), Counted(metres, moving=True)
    crept_m, said_m = distance_m(anchor, here), received_m - memory.anchor_m
    if has_speed and not runs and crept_m >= STEP_M and crept_m / CREPT <= said_m <= CREPT * crept_m:
        return _resting(memory, here, seen.t), Counted(said_m, moving=True)
    if crept_m >= away_m:
        return _resting(memory, here, seen.t, driving=True), Counted(crept_m, moving=True)
    return memory, Counted(moving=False)


def _agreed(memory: Memory, gone_m: float, seconds: float, moves: bool, bounds: Bounds) -> Memory:
    """A speed that does not change by a digit is cruise control where the position moves with it, and frozen where the
    position denies it."""
    if moves:
        memory = memory._replace(received=replace(memory.received, same_s=0.0))
    wheels, said_m = memory.wheels, (memory.wheels.kmh or 0.0) / 3.6 * seconds
    lately, lately_m, said_lately_m = memory.trail[-STANDS_S:], math.inf, 0.0
    if len(lately) == STANDS_S:
        lately_m = distance_m(lately[0].place, lately[-1].place)
        said_lately_m = (wheels.kmh or 0.0) / 3.6 * (lately[-1].t - lately[0].t)
    share = (1 - APART) * 0.75  # a trail's middles are three quarters of it apart
    if moves and gone_m > share * said_m and lately_m > share * said_lately_m:
        return memory._replace(wheels=replace(wheels, same_s=0.0))
    stands = lately_m < STEP_M and said_lately_m > 4 * STEP_M
    if wheels.same_s > LIVELY_S and (stands or (gone_m < STEP_M and said_m > 4 * STEP_M)):
        return memory._replace(wheels=replace(wheels, same_s=max(wheels.same_s, 2 * bounds.cruise_s)))
    return memory


def _resting(memory: Memory, here: Point, t: float, driving: bool = False) -> Memory:
    """Everything by the receiver is measured from here on."""
    trail = (Mark(t, here, memory.received_m),)
    return memory._replace(anchor=here, anchor_m=memory.received_m, driving=driving, trail=trail)


def _suspect(memory: Memory, here: Point, t: float) -> tuple[Memory, Counted]:
    """A position out of reach: believed as a place once several agree, never as distance."""
    if memory.suspect is None or distance_m(memory.suspect, here) > 2 * SLACK_M:
        doubt = Doubt("a position that jumped", distance_m(memory.place or here, here))
        return memory._replace(suspect=here, suspects=1), Counted(doubts=(doubt,))
    if memory.suspects + 1 < SETTLED_FIXES:
        return memory._replace(suspect=here, suspects=memory.suspects + 1), Counted()
    memory = memory._replace(place=here, place_t=t, suspect=None, suspects=0)
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
