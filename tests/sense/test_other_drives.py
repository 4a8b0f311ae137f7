"""The hostile drives in other cars: other units, other rates, other sources than those of the bench."""

from __future__ import annotations

import pytest

from agent.ports import Reading
from tools.bench.odometry import (
    Car,
    Kind,
    awake,
    cruise,
    drive,
    ferry,
    gnss,
    ignition,
    jam,
    motorway,
    odometer,
    on_change,
    parked,
    town,
    wheels,
)

pytestmark = pytest.mark.slow

MILE = 1.609344
NOISY = {"wander_m": 8.0, "tau_s": 120.0, "speed_mps": 0.6}


def rounded_miles(car: Car, step: int) -> Reading:
    """Steps of five miles an hour, so that cruise control never changes, in km/h with a decimal."""
    return Reading(car.t, speed_kmh=round(round(car.mps * 3.6 / MILE / 5) * 5 * MILE, 1))


def high(car: Car, step: int) -> Reading:
    """As high as a speedometer may read."""
    return Reading(car.t, speed_kmh=round(car.mps * 3.6 * 1.1 + 4) if car.mps > 0.5 else 0.0)


OTHERS = {
    "cruise control, whole mph": Kind(cruise, lambda luck: [(1.0, wheels(5 * MILE))]),
    "cruise control, mph rounded to 0.1 km/h": Kind(cruise, lambda luck: [(0.2, rounded_miles)]),
    "motorway, speed every half minute": Kind(motorway, lambda luck: [(30.0, wheels())]),
    "town, receiver every ten seconds": Kind(town, lambda luck: [(10.0, gnss())]),
    "town, receiver ten times a second": Kind(town, lambda luck: [(0.1, gnss())]),
    "parked, receiver ten times a second": Kind(parked, lambda luck: [(0.1, gnss())], trip=False, **NOISY),
    "parked, receiver every half minute": Kind(parked, lambda luck: [(30.0, gnss())], trip=False, **NOISY),
    "parked, receiver without speed": Kind(parked, lambda luck: [(1.0, gnss(speed=False))], trip=False, **NOISY),
    "odometer in km and receiver": Kind(town, lambda luck: [(1.0, odometer(100, 0.001)), (1.0, gnss())]),
    "odometer in miles and wheels": Kind(town, lambda luck: [(1.0, odometer(100, 0.001 / MILE)), (0.1, wheels())]),
    "odometer in centimetres and wheels": Kind(town, lambda luck: [(1.0, odometer(1, 100.0)), (0.1, wheels())]),
    "odometer in feet and wheels": Kind(town, lambda luck: [(1.0, odometer(1, 3.28084)), (0.1, wheels())]),
    "odometer in km every ten seconds and OBD": Kind(
        town, lambda luck: [(10.0, odometer(1000, 0.001)), (1.0, wheels(1.0))]
    ),
    "odometer ten times too fast and receiver": Kind(town, lambda luck: [(0.1, odometer(1, 10.0)), (1.0, gnss())]),
    "speed in mph and receiver": Kind(town, lambda luck: [(0.1, wheels(factor=1 / MILE)), (1.0, gnss())]),
    "speed in m/s and receiver": Kind(town, lambda luck: [(0.1, wheels(factor=1 / 3.6)), (1.0, gnss())]),
    "speedometer that reads high and receiver": Kind(town, lambda luck: [(0.5, high), (1.0, gnss())]),
    "jam, wheels and poor receiver": Kind(jam, lambda luck: [(0.1, wheels()), (1.0, gnss())], **NOISY),
    "jam, wheels and receiver without speed": Kind(jam, lambda luck: [(0.1, wheels()), (1.0, gnss(speed=False))]),
    "ferry, odometer and bus asleep": Kind(
        ferry, lambda luck: [(1.0, awake(odometer())), (1.0, awake(ignition())), (1.0, gnss())], trip=False
    ),
    "ferry, odometer awake": Kind(ferry, lambda luck: [(1.0, odometer()), (1.0, gnss())], trip=False),
    "ferry, no ignition and speed on change": Kind(
        ferry, lambda luck: [(0.5, on_change(awake(wheels(1.0)))), (1.0, gnss())], trip=False
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_car_drives_what_it_drove(name: str) -> None:
    found = drive(OTHERS[name], seed=77_000)
    assert (found.trips > 0) == OTHERS[name].trip
    assert found.error < 0.05
    if not OTHERS[name].trip:
        assert found.counted_m < 50
