"""How many metres the car drove: the best evidence of each reading, and what is not believed.

Rules. Readings come in any mixture: a wheel odometer, a speed, a GPS position, in one stream or several.

1. Three witnesses are followed side by side: odometer, speed of the wheels, receiver (its speed where its position
   agrees, and the straight line where it was silent, so that a tunnel is not lost). Of those that were heard lately and
   are not in doubt the one with the smallest error counts: an odometer that shows metres before the wheels' speed, the
   speed before an odometer that shows hundreds of metres, both before the receiver.
2. Nothing is counted twice: what others bridged is taken off when the odometer moves on, and what was too much is
   withheld from what follows.
3. Witnesses contradict each other. Where odometer and wheels part by more than resolution, latency and what
   speedometers err by, the receiver decides who is wrong, and without one the speed is right: an odometer may be in
   another unit, or stuck. Where one of the two is heard alone, a receiver with a speed is right once both have moved
   together. Who is wrong is in doubt for a while, and what it kept back or invented is set right. A speed that does not
   change by a digit contradicts nobody, and is frozen where the position denies it.
4. Movement with the ignition off is a ferry, a tow or a trailer: nothing is counted. So is what the receiver sees after
   the wheels were last heard standing, unless the ignition is said to be on after that, and lately.
5. Faster than `top_kmh` did not happen, at whatever rate it is said: an odometer that goes so fast is in another
   unit, and is not heard for a while. A speed that stays the same to the last digit while no position moves is a
   frozen signal, not a drive; one in whole km/h on a motorway is cruise control.
6. Clocks jump: time that runs backwards or leaps is never integrated over, and is `gap_s` at most elsewhere; `sparse_s`
   between two speeds, since some cars say theirs every ten seconds or when it changes.

Pure: no clock, no file. What is remembered between readings holds positions, so it is never stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from agent.core import witness
from agent.core.reading import Reading
from agent.core.trail import distance_m
from agent.core.witness import APART, COARSEST_M, LIVELY_S, Beside, Bounds, Counted, Doubt, Memory, Tally

__all__ = ["Bounds", "Counted", "Doubt", "Memory", "count", "distance_m"]

COARSE_M = 10.0
"""An odometer whose last digit is worth more than this says less of the next metres than a speed."""

CARRY_S = 1.0
"""How long wheels that turn may be silent before the receiver counts in their place."""

IGNITION_S = 60.0
"""An ignition that was last said to be on longer ago than this may be off: a bus that sleeps says nothing."""

APART_M = 50.0
"""Odometer and wheels part by rounding and latency; beyond this and APART of the larger one of them is wrong."""

COMPARED_M = 500.0
"""The stretch over which the two are compared."""

FAR_M, FINE = 2000.0, 0.05
"""Over so much, a receiver that says its speed errs less than a speedometer may, which reads high and never low (UN
ECE R39)."""

STEPS, EVENLY = 3, 0.6
"""A receiver and an odometer move together where the odometer has moved on so often, and at no time so large a share of
the way was the receiver's alone."""

UNIT = 3.0
"""Witnesses that differ by this factor have different units: one that is so wrong is not heard for UNIT_S."""
UNIT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What each witness makes of one reading."""

    t: float
    odometer: Counted
    wheels: Counted
    receiver: Counted
    first: bool
    """The odometer had not moved on before: where its step began is not known."""
    odometer_there: bool
    """Whether it had been heard within `sparse_s`: its step covers the same stretch as the others'."""
    odometer_lately: bool
    """Whether each had been heard within `gap_s`."""
    wheels_lately: bool
    receiver_lately: bool


def count(memory: Memory, seen: Reading, bounds: Bounds) -> tuple[Memory, Counted]:
    """Take one reading into account."""
    if not math.isfinite(seen.t):
        return memory, Counted(doubts=(Doubt("a time stamp that is no number", 0.0),))
    step_s = 0.0 if memory.t is None else seen.t - memory.t
    clock_went_back = step_s < -bounds.gap_s
    before = witness.on_another_clock(memory, seen.t) if clock_went_back else memory
    if memory.ignition is False and seen.ignition:
        before = Memory()  # whatever moved the car meanwhile, it did not drive
    ignition = before.ignition if seen.ignition is None else seen.ignition
    # Two sources are never quite in step: a reading may come a little after a later one.
    t = seen.t if before.t is None or clock_went_back else max(seen.t, before.t)
    ignition_t = before.ignition_t if seen.ignition is None else t
    memory = before._replace(t=t, ignition=ignition, ignition_t=ignition_t)

    first = memory.digit_m == math.inf
    there = (
        seen.t - memory.travelled_t <= bounds.sparse_s,
        seen.t - memory.travelled_t <= bounds.gap_s,
        seen.t - memory.wheels.t <= bounds.gap_s,
        seen.t - min(memory.place_t, memory.received.t) <= bounds.gap_s,  # with a speed: without, it creeps unseen
    )
    memory, by_odometer = witness.by_odometer(memory, seen, bounds)
    memory, by_wheels = witness.by_wheels(memory, seen, bounds)
    memory, by_receiver = witness.by_receiver(memory, seen, bounds)
    heard = Reckoned(seen.t, by_odometer, by_wheels, by_receiver, first, *there)
    doubted = seen.t - memory.doubted_t <= bounds.doubt_s
    credible = (by_wheels,) if doubted else (by_odometer, by_wheels)
    turning = [said.moving for said in credible if said.moving is not None]
    if turning:
        memory = memory._replace(wheels_still=not any(turning))
    best = _best(memory, heard, bounds)
    memory, metres = _credited(memory, heard, best, bounds)
    metres = metres if memory.ignition is not False else 0.0
    memory, amends_m, contradictions = _compared(memory, heard, metres)
    withheld_m = min(memory.surplus_m, metres + amends_m)
    if withheld_m:
        memory = memory._replace(surplus_m=memory.surplus_m - withheld_m)

    doubts = by_odometer.doubts + by_wheels.doubts + by_receiver.doubts + contradictions
    if clock_went_back:
        doubts = (Doubt("a clock that went back", 0.0), *doubts)
    seconds = min(max(step_s, 0.0), bounds.gap_s)
    return memory, Counted(metres + amends_m - withheld_m, best.moving, seconds, doubts)


def _best(memory: Memory, heard: Reckoned, bounds: Bounds) -> Counted:
    """What the witness with the smallest error says, where this reading is its; nothing where it is another's."""
    t = heard.t
    odometer = t - memory.travelled_t <= bounds.gap_s and t - memory.doubted_t > bounds.doubt_s
    frozen = memory.wheels.same_s > memory.wheels.stuck_s(bounds)
    trusted = not frozen and t - memory.unrolled_t > bounds.doubt_s
    wheels = trusted and t - memory.wheels.t <= bounds.gap_s
    if odometer and (memory.digit_m <= COARSE_M or memory.digit_m == math.inf or not wheels):
        return heard.odometer
    if heard.wheels.moving is not None and trusted:
        return heard.wheels
    if wheels and (memory.wheels_still or t - memory.wheels.t <= CARRY_S):
        return Counted()
    silent_t = max(memory.wheels.t, memory.travelled_t) + CARRY_S
    lit = memory.ignition is True and memory.ignition_t > silent_t and t - memory.ignition_t <= IGNITION_S
    if memory.wheels_still and not lit and not frozen:
        return replace(heard.receiver, metres=0.0, moving=None if heard.receiver.moving else heard.receiver.moving)
    return heard.wheels if heard.receiver.moving is None and frozen else heard.receiver


def _credited(memory: Memory, heard: Reckoned, best: Counted, bounds: Bounds) -> tuple[Memory, float]:
    """(memory, metres of this reading that nobody has counted yet)."""
    doubted = heard.t - memory.doubted_t <= bounds.doubt_s
    step_m, bridged_m, surplus_m = heard.odometer.metres, memory.bridged_m, 0.0
    odometer = step_m > 0 and not doubted
    if odometer and heard.first and memory.tally.wheels:
        metres = min(step_m, memory.tally.wheels) - bridged_m
    elif odometer:
        metres = step_m - bridged_m
        plausible_m = APART_M + min(memory.digit_m, COARSEST_M) + APART * bridged_m
        surplus_m = max(0.0, -metres) if -metres <= plausible_m else 0.0
    elif best is heard.wheels:
        metres = best.metres - memory.unheard_wheels_m
    else:
        metres = best.metres - memory.unheard_receiver_m
    metres = max(0.0, metres)
    memory = memory._replace(
        bridged_m=0.0 if odometer or doubted else bridged_m + metres,
        surplus_m=memory.surplus_m + surplus_m,
        unheard_wheels_m=memory.unheard_wheels_m + metres if heard.wheels.moving is None else 0.0,
        unheard_receiver_m=memory.unheard_receiver_m + metres if heard.receiver.moving is None else 0.0,
    )
    return memory, metres


def _compared(memory: Memory, heard: Reckoned, metres: float) -> tuple[Memory, float, tuple[Doubt, ...]]:
    """Whether the witnesses tell of the same drive: (memory, metres to be made good, doubts)."""
    if not (heard.odometer_there and heard.wheels_lately):
        return _beside_receiver(memory._replace(tally=Tally()), heard, metres)
    memory = memory._replace(beside=Beside())
    if memory.wheels.same_s > LIVELY_S:
        return memory, 0.0, ()
    tally = Tally(
        memory.tally.odometer + heard.odometer.metres,
        memory.tally.wheels + heard.wheels.metres,
        memory.tally.receiver + heard.receiver.metres,
        memory.tally.counted + metres,
    )
    more_m, apart_m = max(tally.odometer, tally.wheels), abs(tally.odometer - tally.wheels)
    digit_m = min(memory.digit_m, COARSEST_M)
    if heard.odometer.moving is None:  # the wheels are ahead of it
        return memory._replace(tally=tally), 0.0, ()
    if apart_m <= APART_M + digit_m + APART * more_m:
        agree = more_m > COMPARED_M + digit_m and apart_m <= APART_M + digit_m + APART / 3 * more_m
        return memory._replace(tally=Tally() if agree else tally), 0.0, ()
    if tally.receiver and abs(tally.receiver - tally.odometer) < abs(tally.receiver - tally.wheels):
        right_m, doubt = tally.odometer, Doubt("a speed that the odometer contradicts", tally.wheels)
        memory = memory._replace(unrolled_t=heard.t)
    else:
        right_m, doubt = tally.wheels, Doubt("an odometer that the speed contradicts", tally.odometer)
        memory = memory._replace(doubted_t=heard.t + _unit_s(tally.odometer, tally.wheels))
    memory, amends_m = _amended(memory._replace(tally=Tally()), right_m - tally.counted)
    return memory, amends_m, (doubt,)


def _beside_receiver(memory: Memory, heard: Reckoned, metres: float) -> tuple[Memory, float, tuple[Doubt, ...]]:
    """The same of the receiver and of wheels or odometer, where one of these is heard alone. Both must move on all
    along: on a ferry one of them stands."""
    alone, ours = (
        heard.odometer_lately != heard.wheels_lately,
        heard.odometer if heard.odometer_lately else heard.wheels,
    )
    if not (alone and heard.receiver_lately):
        return memory._replace(beside=Beside()), 0.0, ()
    if heard.wheels_lately and memory.wheels.same_s > LIVELY_S:
        return memory, 0.0, ()
    before, unmatched_m = memory.beside, memory.beside.unmatched + heard.receiver.metres
    now = replace(before, unmatched=unmatched_m, counted=before.counted + metres)
    if ours.metres <= 0:
        return memory._replace(beside=now), 0.0, ()
    now = Beside(
        before.ours + ours.metres,
        before.receiver + unmatched_m,
        now.counted,
        before.steps + 1,
        longest=max(before.longest, unmatched_m),
    )
    if now.receiver < COMPARED_M or now.steps < STEPS:
        return memory._replace(beside=now), 0.0, ()
    more_m, apart_m = max(now.ours, now.receiver), abs(now.ours - now.receiver)
    digit_m = min(memory.digit_m, COARSEST_M) if heard.odometer_lately else 0.0
    is_far = now.receiver >= FAR_M
    share = FINE if is_far and heard.wheels_lately and now.ours > now.receiver else APART
    if now.longest > EVENLY * now.receiver or apart_m <= APART_M + digit_m + share * more_m:
        is_over = is_far or now.longest > EVENLY * now.receiver
        return memory._replace(beside=Beside() if is_over else now), 0.0, ()
    memory = memory._replace(beside=Beside())
    until = heard.t + _unit_s(now.ours, now.receiver)
    if heard.odometer_lately:
        memory = memory._replace(doubted_t=until, wheels_still=False)
        doubt = Doubt("an odometer that the receiver contradicts", now.ours)
    else:
        memory, doubt = memory._replace(unrolled_t=until), Doubt("a speed that the receiver contradicts", now.ours)
    memory, amends_m = _amended(memory, now.receiver - now.counted)
    return memory, amends_m, (doubt,)


def _unit_s(one_m: float, other_m: float) -> float:
    """For how much longer than usual a witness is in doubt."""
    return UNIT_S if max(one_m, other_m) >= UNIT * min(one_m, other_m) else 0.0


def _amended(memory: Memory, missing_m: float) -> tuple[Memory, float]:
    """(memory, metres to be made good now); what was too much is withheld from what follows."""
    if memory.ignition is False:
        return memory, 0.0
    return memory._replace(surplus_m=memory.surplus_m + max(0.0, -missing_m)), max(0.0, missing_m)
