"""Signals over MQTT: what a sender may say, and what it may not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compose.vehicle import rules
from agent.core.trip import TripOpened, TripState, advance
from agent.host.sections import Trip
from agent.ports import Message
from agent.sense.mqtt import MqttOdometer
from agent.sense.sources import Sources, SourceUnusable


class Line:
    """A link that delivers what is put on it."""

    def __init__(self) -> None:
        self.connected = True
        self.messages: list[Message] = []

    def put(self, topic: str, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.messages.append(Message(topic, data))

    def receive(self) -> list[Message]:
        taken, self.messages = self.messages, []
        return taken


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_signal_is_a_number_or_an_object_with_a_value(line):
    odometer = MqttOdometer(line)
    line.put("vss/Vehicle/Speed", 36.5)
    line.put("vss/Vehicle/TraveledDistance", {"value": 12_000, "timestamp": "now"})
    line.put("vss/Vehicle/LowVoltageSystemState", "ON")
    speed, travelled, ignition = odometer.poll()
    assert (speed.speed_kmh, travelled.travelled_m, ignition.ignition) == (36.5, 12_000.0, True)


def test_latitude_and_longitude_together_are_a_position(line):
    clock = [0.0]
    odometer = MqttOdometer(line, now=lambda: clock[0])
    line.put("vss/Vehicle/CurrentLocation/Longitude", 9.0)
    assert not odometer.poll()
    line.put("vss/Vehicle/CurrentLocation/Latitude", 50.0)
    line.put("vss/Vehicle/CurrentLocation/Longitude", 9.0)
    (reading,) = odometer.poll()
    assert (reading.position.latitude_deg, reading.position.longitude_deg) == (50.0, 9.0)
    clock[0] = 10.0
    line.put("vss/Vehicle/CurrentLocation/Longitude", 9.1)
    assert not odometer.poll()


@pytest.mark.parametrize(
    "payload",
    [b"x" * 10_000_000, b"", b"nan", b"NaN", b"1e999", b"-Infinity", b'"fast"', b"true", b"null", b"[1]",
     b'{"value": "1"}', b'{"speed": 1}', b"9" * 400, b"[" * 1000, b"\xff", b"5000"],
)  # fmt: skip
def test_a_payload_that_is_no_speed_is_refused_and_counted(line, payload):
    odometer = MqttOdometer(line)
    line.put("vss/Vehicle/Speed", payload)
    assert not odometer.poll()
    assert odometer.refused == 1


def test_other_topics_are_none_of_its_business(line):
    odometer = MqttOdometer(line)
    line.put("milepost/v1/fleet/car/cmd/pause", {"id": 1})
    assert not odometer.poll()
    assert odometer.refused == 0


def test_an_absent_broker_and_a_silent_sender_are_told(line):
    clock = [0.0]
    odometer = MqttOdometer(line, now=lambda: clock[0])
    assert odometer.trouble is None
    clock[0] = 31.0
    assert odometer.trouble.startswith("No signal of the car over MQTT for 30 s (0 refused).")
    line.connected = False
    assert "is away" in odometer.trouble


def test_a_sender_that_speaks_on_change_only_still_opens_a_trip(line):
    clock, state, events = [0.0], TripState(), []
    odometer = MqttOdometer(line, now=lambda: clock[0])
    for hundred in range(20):
        clock[0] += 10.0
        line.put("vss/Vehicle/TraveledDistance", 100.0 * hundred)
        for reading in odometer.poll():
            state, happened = advance(rules(Trip(trigger_m=1000)), state, reading)
            events += happened
    assert [type(event) for event in events] == [TripOpened]
    assert state.mileage.total_m == pytest.approx(1900)


@given(st.binary(max_size=60))
def test_whatever_arrives_never_raises(payload):
    line = Line()
    odometer = MqttOdometer(line)
    for topic in odometer.topics:
        line.put(topic, payload)
    odometer.poll()


def test_an_odometer_in_kilometres_is_read_as_such(line):
    odometer = Sources(line).odometer("mqtt:vss?distance=km")
    line.put("vss/Vehicle/TraveledDistance", 12_345.6)
    line.put("vss/Vehicle/TraveledDistance", True)
    assert [reading.travelled_m for reading in odometer.poll()] == [pytest.approx(12_345_600)]
    with pytest.raises(SourceUnusable, match="none of m, km, mi"):
        Sources(line).odometer("mqtt:vss?distance=miles")
