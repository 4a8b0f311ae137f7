"""Wheels and GPS as one odometer."""

from __future__ import annotations

import math

import pytest

from agent.compose.vehicle import rules
from agent.core.trip import TripState, advance
from agent.host.sections import Trip
from agent.ports import Position, Reading
from agent.sense.composed import ComposedOdometer

METRE = 1 / 111_194.9


class Said:
    """A source that says what it was told."""

    pause_s = math.inf

    def __init__(self, *readings: Reading, trouble: str | None = None) -> None:
        self.readings, self.trouble, self.closed = list(readings), trouble, False

    def poll(self) -> list[Reading]:
        said, self.readings = self.readings, []
        return said

    def close(self) -> None:
        self.closed = True


def total(*sources: Said) -> float:
    state = TripState()
    for reading in ComposedOdometer(sources).poll():
        state, _ = advance(rules(Trip()), state, reading)
    return state.mileage.total_m


def gps(seconds: range, mps: float = 20.0) -> Said:
    return Said(*(Reading(t + 0.5, mps * 3.6 + t % 2, position=Position(50 + t * mps * METRE, 9)) for t in seconds))


def wheels(seconds: range, mps: float = 20.0) -> Said:
    return Said(*(Reading(float(t), travelled_m=t * mps) for t in seconds))


def test_a_drive_that_both_see_is_counted_once():
    assert total(wheels(range(101)), gps(range(101))) == pytest.approx(2000, rel=0.01)


def test_gps_carries_on_when_the_wheels_are_lost_and_is_not_counted_again_when_they_return():
    lost = wheels(range(101))
    lost.readings = [reading for reading in lost.readings if not 30 < reading.t < 60]
    assert total(lost, gps(range(101))) == pytest.approx(2000, rel=0.02)


def test_a_tunnel_is_driven_on_the_wheels():
    tunnel = gps(range(101))
    tunnel.readings = [reading for reading in tunnel.readings if not 20 < reading.t < 80]
    assert total(wheels(range(101)), tunnel) == pytest.approx(2000, rel=0.01)


def test_a_ferry_turns_no_wheel_however_far_gps_sees_it_go():
    assert total(wheels(range(101), mps=0.0), gps(range(101))) == 0


def test_steering_of_the_one_and_position_of_the_other_both_come_through():
    bus, receiver = Said(Reading(1.0, 50.0, steering_deg=3.0)), Said(Reading(1.1, 49.0, position=Position(50, 9)))
    first, second = ComposedOdometer((bus, receiver)).poll()
    assert (first.steering_deg, first.speed_kmh) == (3.0, 50.0)
    assert (second.position, second.speed_kmh) == (Position(50, 9), None)


def test_there_is_trouble_only_when_no_source_is_left():
    assert ComposedOdometer((Said(trouble="No CAN."), Said())).trouble is None
    assert ComposedOdometer((Said(trouble="No CAN."), Said(trouble="No GPS."))).trouble == "No CAN."


def test_closing_closes_every_source():
    sources = Said(), Said()
    ComposedOdometer(sources).close()
    assert all(source.closed for source in sources)
