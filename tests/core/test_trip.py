"""Trips as drivers know them."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.mileage import Bounds, Doubt
from agent.core.trip import (
    Doubted,
    Evidence,
    Fence,
    Phase,
    Tick,
    TripClosed,
    TripEvent,
    TripOpened,
    TripRules,
    TripState,
    advance,
)
from agent.ports import Position, Reading

RULES = TripRules(trigger_m=500, standstill_s=60, ignition_off_s=5, silence_s=600, bounds=Bounds(top_kmh=250))
METRE = 1 / 111_194.9
"""One metre of latitude in degrees."""


@dataclass
class Drive:
    """Feeds readings to the machine and remembers what happened."""

    rules: TripRules = RULES
    state: TripState = field(default_factory=TripState)
    t: float = 0.0
    travelled: float = 0.0
    latitude: float = 10.0

    def __post_init__(self) -> None:
        self.happened: list[TripEvent] = []

    def see(self, seen: Reading | Tick) -> Drive:
        self.state, events = advance(self.rules, self.state, seen)
        self.happened += events
        return self

    def drive(self, metres: float, kmh: float = 36.0, says: Iterable[str] = ("speed",), **more: object) -> Drive:
        """Ten readings a second of the named kinds; `kmh` = 0 stands for `metres` seconds instead."""
        seconds = metres / kmh * 3.6 if kmh else metres
        for _ in range(round(seconds * 10)):
            self.t += 0.1
            self.travelled += kmh / 36
            self.latitude += kmh / 36 * METRE
            reading = Reading(
                self.t,
                # A speed that is not frozen: its last digit moves.
                speed_kmh=kmh + (0.01 * (round(self.t * 10) % 2) if kmh else 0) if "speed" in says else None,
                travelled_m=self.travelled if "odometer" in says else None,
                position=Position(self.latitude, 20.0) if "position" in says else None,
            )
            self.see(replace(reading, **more))  # type: ignore[arg-type]
        return self

    def stand(self, seconds: float, says: Iterable[str] = ("speed",), **more: object) -> Drive:
        return self.drive(seconds, 0.0, says, **more)

    @property
    def total(self) -> float:
        return self.state.mileage.total_m

    def of(self, kind: type) -> list[TripEvent]:
        return [event for event in self.happened if isinstance(event, kind)]


@pytest.mark.parametrize("says", [("speed",), ("odometer",), ("position",), ("speed", "odometer", "position")])
def test_a_trip_opens_at_the_trigger_distance_and_closes_when_the_car_has_stood(says):
    drive = Drive().drive(1000, says=says).stand(55, says)
    assert [type(event) for event in drive.happened] == [TripOpened]
    drive.stand(10, says)
    opened, closed = drive.happened
    assert opened.distance_m == pytest.approx(500, abs=30)
    assert closed.reason is Evidence.STANDSTILL
    assert closed.distance_m == pytest.approx(1000, abs=30)
    assert closed.duration_s == pytest.approx(50 + 60, abs=4)


def test_a_traffic_light_is_not_an_arrival():
    drive = Drive().drive(600).stand(50).drive(300).stand(50).drive(300)
    assert not drive.of(TripClosed)


def test_crawling_forward_in_a_jam_is_not_an_arrival():
    drive = Drive().drive(600)
    for _ in range(10):
        drive.stand(40).drive(20, kmh=5)
    assert not drive.of(TripClosed)


def test_the_ignition_ends_the_trip_after_a_moment_and_cranking_does_not():
    drive = Drive().drive(600, ignition=True).stand(3, ignition=False).drive(100, ignition=True)
    assert not drive.of(TripClosed)
    drive.stand(6, ignition=False)
    assert drive.of(TripClosed)[0].reason is Evidence.IGNITION_OFF


def test_entering_the_depot_ends_the_trip_and_leaving_it_does_not():
    depot = Fence(10.0, 20.0, 100)
    drive = Drive(replace(RULES, fences=(depot,))).drive(1000, says=("speed", "position"))
    assert not drive.of(TripClosed)
    drive.latitude = 10.0 - 1000 * METRE
    drive.state = replace(drive.state, recent=TripState().recent)
    drive.drive(950, says=("speed", "position"))
    closed = drive.of(TripClosed)
    assert [event.reason for event in closed] == [Evidence.GEOFENCE]


def test_a_jump_of_the_receiver_into_the_depot_is_no_arrival():
    depot = Fence(11.0, 20.0, 100)
    drive = Drive(replace(RULES, fences=(depot,))).drive(1000, says=("speed", "position"))
    for _ in range(3):
        drive.see(Reading(drive.t + 0.1, position=Position(11.0, 20.0)))
    drive.drive(1000, says=("speed", "position"))
    assert not drive.of(TripClosed)


def test_a_tunnel_does_not_matter_while_the_wheels_are_heard():
    drive = Drive().drive(400, says=("speed", "position")).drive(3000).drive(400, says=("speed", "position"))
    assert drive.total == pytest.approx(3800, rel=0.01)
    assert not drive.of(TripClosed)


def test_a_tunnel_with_gps_alone_counts_as_the_line_between_its_portals():
    drive = Drive().drive(1000, says=("speed", "position"))
    drive.drive(2000, says=())
    drive.drive(1000, says=("speed", "position"))
    assert drive.total == pytest.approx(4000, rel=0.01)
    assert not drive.of(TripClosed)


def test_a_source_that_goes_silent_for_good_ends_the_trip():
    drive = Drive().drive(600)
    for _ in range(RULES.silence_s.__trunc__() + 1):
        drive.see(Tick(1.0))
    assert drive.of(TripClosed)[0].reason is Evidence.SILENCE


def test_a_source_that_only_speaks_on_change_still_lets_a_standing_car_arrive():
    drive = Drive().drive(600).stand(1)
    for _ in range(61):
        drive.see(Tick(1.0))
    assert drive.of(TripClosed)[0].reason is Evidence.STANDSTILL


def test_a_ferry_or_a_tow_is_no_trip():
    drive = Drive().drive(100, ignition=True, says=("speed", "odometer", "position"))
    drive.drive(5000, ignition=False, says=("speed", "odometer", "position"))
    drive.stand(10, ignition=True, says=("speed", "odometer", "position"))
    assert drive.total == pytest.approx(100, rel=0.02)
    assert not drive.happened


def test_a_ferry_without_any_reception_is_no_trip():
    drive = Drive().drive(100, ignition=True, says=("speed", "position")).stand(1, ignition=False)
    drive.t, drive.latitude = drive.t + 3000, drive.latitude + 20_000 * METRE
    drive.stand(10, says=("speed", "position"), ignition=True)
    assert drive.total == pytest.approx(100, rel=0.02)


def test_a_jump_across_the_globe_is_not_distance_and_is_said():
    drive = Drive().drive(100, says=("position",))
    drive.see(Reading(drive.t + 0.1, position=Position(-50.0, 100.0)))
    drive.drive(100, says=("position",))
    assert drive.total == pytest.approx(200, abs=30)
    assert [event.doubt.what for event in drive.of(Doubted)] == ["a position that jumped"]
    assert drive.state.mileage.doubts == 1


def test_a_car_that_really_is_elsewhere_is_believed_after_a_few_fixes():
    drive = Drive().drive(100, says=("position",))
    drive.latitude += 1.0
    drive.drive(100, says=("position",))
    assert drive.total == pytest.approx(200, abs=55)  # two open steps of 25 m


def test_an_odometer_that_jumps_or_restarts_is_not_distance():
    drive = Drive().drive(100, says=("odometer",))
    drive.travelled += 1_000_000
    drive.drive(100, says=("odometer",))
    drive.travelled = 0
    drive.drive(100, says=("odometer",))
    assert drive.total == pytest.approx(300, abs=5)
    assert [event.doubt.what for event in drive.of(Doubted)] == ["an odometer that jumped"]


@pytest.mark.parametrize("digit_m", [100, 1000])
@pytest.mark.parametrize("hertz", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_an_odometer_counts_however_coarse_its_last_digit_is(digit_m, hertz):
    drive, metres_a_second = Drive(), 50 / 3.6
    for reading in range(1200 * hertz):
        t = reading / hertz
        drive.see(Reading(t, travelled_m=(t * metres_a_second + 40) // digit_m * digit_m))
    assert drive.total == pytest.approx(1200 * metres_a_second, abs=digit_m)
    assert not drive.of(Doubted)


def test_a_coarse_odometer_may_turn_over_after_a_rest_and_still_not_jump():
    drive = Drive()
    for t in range(10_000):
        drive.see(Reading(t / 10, travelled_m=0 if t < 9_000 else 900))
    assert drive.total == 900
    drive.see(Reading(3000.0, travelled_m=900))
    drive.see(Reading(3000.1, travelled_m=9000))
    assert drive.total == 900


@pytest.mark.parametrize("hertz", [1, 10, 50])
def test_an_odometer_in_another_unit_is_found_out_at_any_rate(hertz):
    """540 km/h: fifteen metres ten times a second are no jump, and no car either."""
    drive = Drive()
    for reading in range(120 * hertz):
        t = reading / hertz
        drive.see(Reading(t, travelled_m=t * 150))
    assert drive.total < 1000
    assert {event.doubt.what for event in drive.of(Doubted)} <= {
        "an odometer faster than any car",
        "an odometer that jumped",
    }
    assert drive.of(Doubted)


def test_while_an_odometer_is_doubted_the_speed_counts():
    drive = Drive()
    for t in range(6000):
        drive.see(Reading(t / 10, speed_kmh=36 + 0.01 * (t % 2), travelled_m=t * 15.0))
    assert drive.total == pytest.approx(6000, rel=0.05)


def test_cruise_control_in_whole_kmh_is_a_drive():
    """OBD's speed has no digits behind the point (PID 0D)."""
    drive = Drive()
    for t in range(1200):
        drive.see(Reading(float(t), speed_kmh=float(min(t * 3, 100))))
    assert drive.total == pytest.approx(1200 * 100 / 3.6, rel=0.02)
    assert not drive.of(TripClosed)


@pytest.mark.parametrize("every_s", [10, 30])
def test_a_speed_that_is_said_seldom_or_on_change_is_distance(every_s):
    drive = Drive()
    for t in range(0, 1800, every_s):
        drive.see(Reading(float(t), speed_kmh=50 + t % 7 / 10))
    assert drive.total == pytest.approx(1800 * 50.3 / 3.6, rel=0.03)


def test_a_frozen_odometer_is_not_distance():
    drive = Drive()
    for t in range(1000):
        drive.see(Reading(t / 10, speed_kmh=50 + t % 2, travelled_m=777.0))
    assert drive.total == 0


def test_a_frozen_speed_is_not_a_drive():
    drive = Drive()
    for t in range(10_000):
        drive.see(Reading(t / 10, speed_kmh=20.0))
    assert drive.total < 400
    assert [event.doubt.what for event in drive.of(Doubted)] == ["a speed that never changes"]


def test_cruising_at_a_whole_number_of_kmh_counts_where_the_position_moves():
    drive = Drive()
    for t in range(2000):
        drive.see(Reading(t / 10, speed_kmh=36.0, position=Position(10 + t * METRE, 20.0)))
    assert drive.total == pytest.approx(2000, rel=0.01)


def test_an_impossible_speed_is_refused():
    drive = Drive().drive(100)
    drive.see(Reading(drive.t + 0.1, speed_kmh=40_000))
    drive.drive(100)
    assert drive.total == pytest.approx(200, abs=3)


@pytest.mark.parametrize("leap", [-1e6, 1e6, 86_400.0, 1e300])
def test_a_clock_that_leaps_neither_drives_nor_ends_a_trip(leap):
    drive = Drive().drive(600).stand(1)
    before = drive.total
    drive.t += leap
    drive.stand(1)
    assert drive.total == pytest.approx(before, abs=5)
    assert not drive.of(TripClosed)


def test_a_clock_that_goes_back_is_said():
    drive = Drive().drive(100)
    drive.t -= 3600
    drive.drive(100)
    assert drive.total == pytest.approx(200, abs=5)
    assert [event.doubt.what for event in drive.of(Doubted)] == ["a clock that went back"]


@pytest.mark.parametrize("what", ["speed", "odometer"])
def test_readings_that_come_a_little_late_are_not_counted_twice_or_lost(what):
    drive, late = Drive(), random.Random(1)
    readings = [
        Reading(
            t / 10,
            speed_kmh=36 + t % 2 / 100 if what == "speed" else None,
            travelled_m=float(t) if what == "odometer" else None,
        )
        for t in range(2000)
    ]
    for reading in sorted(readings, key=lambda reading: reading.t + late.uniform(0, 0.5)):
        drive.see(reading)
    assert drive.total == pytest.approx(2000, rel=0.01)
    assert not drive.of(Doubted)


def test_a_receiver_that_wanders_while_parked_makes_no_metres():
    drive = Drive()
    for t in range(7_200):
        wander = 8 * math.sin(t / 37) * METRE
        drive.see(Reading(float(t), speed_kmh=abs(math.sin(t / 5)) * 0.9, position=Position(10 + wander, 20.0)))
    assert drive.total == 0


@pytest.mark.parametrize("spoken", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tau_s", [*(pytest.param(tau_s, marks=pytest.mark.slow) for tau_s in (0.1, 300.0)), 20.0])
def test_a_night_in_the_yard_with_a_poor_receiver_is_no_metre(spoken, tau_s):
    """Speed noise of 0.6 m/s, a position that wanders by 8 m, quickly or slowly (sigma in each axis)."""
    drive, chance = Drive(), random.Random(7)
    keep = math.exp(-1 / tau_s)
    east = north = 0.0
    for t in range(4 * 3600):
        east = keep * east + math.sqrt(1 - keep**2) * chance.gauss(0, 8)
        north = keep * north + math.sqrt(1 - keep**2) * chance.gauss(0, 8)
        kmh = 3.6 * math.hypot(chance.gauss(0, 0.6), chance.gauss(0, 0.6))
        place = Position(10 + north * METRE, 20 + east * METRE)
        drive.see(Reading(float(t), speed_kmh=kmh if spoken else None, position=place))
    assert drive.total < (1 if spoken else 150)
    assert not drive.happened


@pytest.mark.slow
def test_a_ferry_whose_cars_are_switched_off_is_no_trip_though_the_receiver_sees_it_go():
    """The wheels stand, the bus falls asleep, GPS goes on at ten metres a second. No ignition is mapped."""
    drive = Drive().drive(100).stand(15)
    drive.drive(20_000, says=("speed", "position"))
    assert drive.total == pytest.approx(100, abs=3)
    assert not drive.of(TripOpened)
    drive.stand(5).drive(600)
    assert drive.of(TripOpened)


def test_wheels_that_fall_silent_while_they_turn_leave_it_to_the_receiver():
    drive = Drive().drive(100).drive(1000, says=("speed", "position"))
    assert drive.total == pytest.approx(1100, rel=0.03)


def test_what_speed_bridged_is_not_counted_again_when_the_odometer_returns():
    drive = Drive().drive(500, says=("odometer",)).drive(1000, says=("speed",)).drive(500, says=("odometer",))
    assert drive.total == pytest.approx(2000, rel=0.01)


def test_metres_outlive_a_restart_and_no_position_is_stored():
    drive = Drive().drive(400, says=("speed", "position"))
    stored = json.loads(json.dumps(drive.state.stored()))
    assert set(stored) == {"phase", "total_m", "since_m", "open_s", "doubts"}
    assert "10.0" not in repr(drive.state)
    after = Drive(state=TripState.restored(stored)).drive(150)
    assert after.of(TripOpened)


def test_a_stored_state_that_is_no_mileage_is_refused():
    with pytest.raises(ValueError, match="no distance"):
        TripState.restored({**TripState().stored(), "total_m": math.nan})


finite = st.floats(allow_nan=True, allow_infinity=True)
readings = st.builds(
    Reading,
    t=finite,
    speed_kmh=st.none() | finite,
    travelled_m=st.none() | finite,
    ignition=st.none() | st.booleans(),
    position=st.none() | st.builds(Position, finite, finite),
)


@settings(max_examples=200)
@given(st.lists(readings | st.builds(Tick, finite), max_size=30))
def test_whatever_a_source_says_metres_add_up_and_nothing_breaks(seen):
    drive = Drive(replace(RULES, trigger_m=10, standstill_s=2, fences=(Fence(0, 0, 50),)))
    for one in seen:
        drive.see(one)
    mileage = drive.state.mileage
    closed = sum(event.distance_m for event in drive.of(TripClosed))
    assert math.isfinite(mileage.total_m)
    assert closed + mileage.since_m == pytest.approx(mileage.total_m, abs=1e-3)
    assert len(drive.of(TripOpened)) - len(drive.of(TripClosed)) == (mileage.phase is Phase.OPEN)


@pytest.mark.parametrize("columns", [("speed",), ("distance",), ("place",), ("speed", "distance", "place")])
def test_the_real_minute_of_driving_gives_its_recorded_distance_within_one_percent(shared, columns):
    drive = Drive()
    with (shared / "data/route_real/telemetry.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        drive.see(
            Reading(
                float(row["t"]),
                speed_kmh=float(row["speed_mps"]) * 3.6 if "speed" in columns else None,
                travelled_m=float(row["distance_m"]) if "distance" in columns else None,
                position=Position(float(row["lat"]), float(row["lon"])) if "place" in columns else None,
            )
        )
    tolerance = 0.01 if columns != ("place",) else 0.03  # the pose's path is 0.85 % longer, its last step is open
    assert drive.total == pytest.approx(float(rows[-1]["distance_m"]), rel=tolerance)
    assert not drive.of(Doubted)


def test_a_doubt_says_what_it_was_about():
    assert Doubt("a position that jumped", 3.0).metres == 3.0


def a_drive_with(unit: float, digit_m: float, hertz: int = 10) -> Drive:
    """Six kilometres at 36 km/h by the wheels, with an odometer in another unit."""
    drive, digit = Drive(), digit_m * unit
    for t in range(6000):
        drive.see(Reading(t / 10, speed_kmh=36 + 0.01 * (t % 2)))
        if t % (10 // hertz) == 0:
            drive.see(Reading(t / 10, travelled_m=round(t * unit / digit) * digit))
    return drive


@pytest.mark.parametrize(("unit", "digit_m"), [(0.001, 100), (0.001, 1), (10.0, 1), (0.000621371, 160)])
def test_an_odometer_in_another_unit_is_found_out_by_the_wheels_and_set_right(unit, digit_m):
    drive = a_drive_with(unit, digit_m)
    assert drive.total == pytest.approx(6000, rel=0.02)
    assert "an odometer that the speed contradicts" in [event.doubt.what for event in drive.of(Doubted)]


@pytest.mark.parametrize("digit_m", [*(pytest.param(m, marks=pytest.mark.slow) for m in (1, 10, 1000)), 100])
def test_a_coarse_odometer_beside_the_wheels_costs_no_metre_and_no_delay(digit_m):
    drive = a_drive_with(1.0, digit_m)
    assert drive.total == pytest.approx(6000, rel=0.01)
    assert not drive.of(Doubted)


def test_an_odometer_that_stops_counting_in_the_middle_of_a_drive_is_a_drive_all_the_same():
    drive = Drive()
    for t in range(6000):
        drive.see(Reading(t / 10, speed_kmh=36 + 0.01 * (t % 2), travelled_m=float(min(t, 1000))))
    assert drive.total == pytest.approx(6000, rel=0.01)


def test_a_speed_that_freezes_on_the_motorway_ends_with_the_position():
    drive = Drive()
    for t in range(3000):
        moved = min(t, 1500) * 3.0
        drive.see(Reading(t / 10, speed_kmh=108.37))
        if t % 10 == 0:
            drive.see(Reading(t / 10, position=Position(10 + moved * METRE, 20.0)))
    assert drive.total == pytest.approx(4500, rel=0.15)


def test_the_receiver_decides_whether_wheels_or_odometer_are_wrong():
    drive = Drive()
    for t in range(6000):
        drive.see(Reading(t / 10, speed_kmh=(36 + 0.01 * (t % 2)) * 0.4, travelled_m=float(t)))
        if t % 10 == 0:
            drive.see(Reading(t / 10, speed_kmh=36.0 + 0.01 * (t % 20), position=Position(10 + t * METRE, 20.0)))
    assert drive.total == pytest.approx(6000, rel=0.03)
    assert "a speed that the odometer contradicts" in [event.doubt.what for event in drive.of(Doubted)]


@pytest.mark.slow
def test_an_ignition_that_was_on_before_the_bus_fell_asleep_makes_no_trip_of_a_ferry():
    drive = Drive().drive(100, ignition=True).stand(15, ignition=True)
    drive.drive(20_000, says=("speed", "position"))
    assert drive.total == pytest.approx(100, abs=3)
    assert not drive.of(TripOpened)
