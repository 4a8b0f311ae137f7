"""What every odometer keeps to, whether its source is there or not (agent.ports.Odometer)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.ports import Message, Odometer
from agent.sense.composed import ComposedOdometer
from agent.sense.mqtt import MqttOdometer
from agent.sense.playback import Playback, ReplayOdometer
from agent.sense.road import synthetic_drive
from agent.sense.sources import open_odometer

DBC = 'VERSION ""\nBU_: CAR\nBO_ 100 MOTION: 8 CAR\n SG_ SPEED : 0|16@1+ (0.01,0) [0|655] "km/h" CAR\n'
MAPPING = '[signals."Vehicle.Speed"]\nmessage = "MOTION"\nsignals = ["SPEED"]\n'


class Offline:
    connected = False

    def receive(self) -> list[Message]:
        return [Message("vss/Vehicle/Speed", b"50"), Message("vss/Vehicle/Speed", b"junk")]


def bus(folder: Path) -> str:
    (folder / "car.dbc").write_text(DBC)
    (folder / "car.toml").write_text(MAPPING)
    return f"can:contract?dbc={folder}/car.dbc&map={folder}/car.toml&interface=virtual"


OPEN = {
    "replay": lambda folder: open_odometer("road:?seconds=2&speed=50"),
    "gpsd": lambda folder: open_odometer("gpsd://127.0.0.1:1"),
    "can": lambda folder: open_odometer(bus(folder)),
    "mqtt": lambda folder: MqttOdometer(Offline()),
    "composed": lambda folder: ComposedOdometer([open_odometer("road:?seconds=2"), MqttOdometer(Offline())]),
}


@pytest.fixture(params=OPEN)
def odometer(request, tmp_path) -> Iterator[Odometer]:
    odometer = OPEN[request.param](tmp_path)
    yield odometer
    odometer.close()


def test_polling_returns_oldest_first(odometer):
    for _ in range(20):
        stamps = [reading.t for reading in odometer.poll()]
        assert stamps == sorted(stamps)


def test_trouble_is_a_sentence_or_nothing(odometer):
    odometer.poll()
    trouble = odometer.trouble
    assert trouble is None or (trouble[0].isupper() and trouble[-1] in ".?")


def test_closing_is_idempotent_and_polling_afterwards_harmless(odometer):
    odometer.close()
    odometer.close()
    odometer.poll()


def test_no_position_is_shown_by_accident(odometer):
    odometer.poll()
    assert "latitude" not in repr(odometer)


def test_it_says_for_how_long_nobody_need_look(odometer):
    odometer.poll()
    assert odometer.pause_s >= 0


def test_a_recording_has_its_next_row_when_it_said(tmp_path):
    clock = [0.0]
    drive = synthetic_drive(2, 10)
    odometer = ReplayOdometer(Playback(drive, now=lambda: clock[0]))
    odometer.poll()
    for _ in range(40):
        clock[0] += odometer.pause_s + 1e-9
        assert odometer.poll()  # at the end the car stands and goes on saying so
