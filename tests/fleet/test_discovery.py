"""Home Assistant finds the vehicle, reads it rightly, and forgets it when it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.discovery import Discovery, NotDiscoverable
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.metric import Metric
from agent.fleet.status import EVERY, Presence
from agent.fleet.topics import VehicleTopics, matches
from agent.host.clock import ManualClock
from agent.host.metrics import METRICS
from agent.journal import Journal
from agent.ports import Message

TOPICS = VehicleTopics("north", "car-7")
PLACE = "homeassistant/device/car-7/config"


class House:
    """A broker that keeps what is retained, Home Assistant beside it, and a vehicle that may be started again."""

    def __init__(self, folder: Path) -> None:
        self.broker = LoopbackBroker()
        self.journal = Journal(folder / "journal.db")
        self.link = LoopbackLink(self.broker)

    def start(self, prefix: str, metric_s: float = 60) -> None:
        Discovery(self.link, TOPICS, self.journal, prefix, "0.1.0", "x86-cpu").announce(metric_s)

    def announced(self) -> dict[str, Any]:
        """What a Home Assistant that starts now is told, by topic."""
        late = LoopbackLink(self.broker, ["+/device/+/config", "+/+/device/+/config"])
        return {message.topic: json.loads(message.payload) for message in late.receive()}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.journal.close()


def test_a_vehicle_is_one_device_with_an_identity_of_its_own(house: House) -> None:
    house.start("homeassistant")
    device = house.announced()[PLACE]
    assert device["device"]["identifiers"] == ["milepost_north_car-7"]
    assert device["device"]["sw_version"] == device["origin"]["sw_version"] == "0.1.0"
    unique = [component["unique_id"] for component in device["components"].values()]
    assert len(set(unique)) == len(unique) == 14
    assert all(name.startswith("milepost_north_car-7_") for name in unique)


def test_it_is_read_from_the_topics_the_vehicle_speaks_on(house: House) -> None:
    house.start("homeassistant")
    device = house.announced()[PLACE]
    assert [place["topic"] for place in device["availability"]] == [TOPICS.status]
    assert {component["state_topic"] for component in device["components"].values()} == {TOPICS.state, TOPICS.metric}


def test_what_is_not_said_for_two_and_a_half_intervals_is_unknown(house: House) -> None:
    house.start("homeassistant", metric_s=20)
    components = house.announced()[PLACE]["components"]
    assert components["problem"]["expire_after"] == EVERY * 2.5
    assert components["temperature"]["expire_after"] == 50


def test_without_figures_there_are_no_entities_that_wait_for_them(house: House) -> None:
    house.start("homeassistant", metric_s=0)
    components = house.announced()[PLACE]["components"]
    assert set(components) == {"problem", "trouble", "trip", "job", "samples"}


def test_off_by_default_and_taken_back_when_it_is_switched_off(house: House) -> None:
    house.start("")
    assert house.announced() == {}
    house.start("homeassistant")
    house.start("")
    assert house.announced() == {}


def test_another_prefix_takes_the_first_announcement_back(house: House) -> None:
    house.start("homeassistant")
    house.start("home/assistant")
    assert list(house.announced()) == ["home/assistant/device/car-7/config"]


def test_what_was_announced_is_taken_back_even_if_the_broker_was_away_at_first(house: House) -> None:
    house.start("homeassistant")
    house.broker.stop()
    house.link.close()  # it died before the broker came back
    house.link = LoopbackLink(house.broker)
    house.broker.start()
    house.start("")
    assert house.announced() == {}


def test_an_id_that_home_assistant_would_not_take_is_a_sentence_and_a_matter_of_configuration(house: House) -> None:
    dotted = VehicleTopics("north", "car.7")
    Discovery(house.link, dotted, house.journal, "", "0.1.0", "x86-cpu")
    with pytest.raises(NotDiscoverable, match=r"agent.id is 'car.7'") as error:
        Discovery(house.link, dotted, house.journal, "homeassistant", "0.1.0", "x86-cpu")
    assert error.value.exit_code == 78


# --- what Home Assistant makes of real messages

STATUS: dict[str, Any] = {
    "account": "G",
    "trip": {"phase": "open", "metres": 1200, "total": 99_000},
    "jobs": [{"job": "trip-1", "state": "training", "owed": "train", "outcome": None}],
    "training": {"samples": 410, "steps": 12, "loss": 0.1, "device": "cpu"},
    "software": "0.1.0",
    "profile": "x86-cpu",
}
FIGURES: dict[str, Any] = {
    "temperature_celsius": 61.5,
    "disk_free_bytes": 5_000_000_000,
    "odometer_age_seconds": 0.05,
    "travelled_metres_total": 99_000.5,
    "training_steps_total": 12,
    "paid_stroops_total": 125_000_000,
    "gate_closed": {"hold": 1, "temperature": 0},
    "entries_total": {"accepted": 3, "rejected": 1},
}


def shown(house: House, troubles: list[str], status: dict[str, Any], figures: dict[str, Any]) -> dict[str, str]:
    """Every entity's text, from its own template over what the vehicle really says."""
    jinja2 = pytest.importorskip("jinja2")
    ears = LoopbackLink(house.broker, [f"{TOPICS.root}/#"])
    Presence(house.link, TOPICS, "s1", ManualClock()).state(not troubles, troubles, status)
    Metric(house.link, TOPICS, "s1", ManualClock()).say(figures, 60)
    heard: dict[str, Message] = {message.topic: message for message in ears.receive()}
    house.start("homeassistant")
    texts = {}
    for name, component in house.announced()[PLACE]["components"].items():
        value = json.loads(heard[component["state_topic"]].payload)
        texts[name] = jinja2.Environment().from_string(component["value_template"]).render(value_json=value)
    return texts


def test_a_vehicle_at_work_reads_as_it_is(house: House) -> None:
    assert shown(house, ["No fix from gpsd for 60 s."], STATUS, FIGURES) == {
        "problem": "ON",
        "trouble": "No fix from gpsd for 60 s.",
        "trip": "open",
        "job": "training",
        "samples": "410",
        "held": "ON",
        "travelled": "99000.5",
        "steps": "12",
        "accepted": "3",
        "rejected": "1",
        "paid": "12.5",
        "temperature": "61.5",
        "disk": "5000000000",
        "odometer": "0.05",
    }


def test_a_fresh_vehicle_that_knows_nothing_yet_reads_as_unknown_and_not_as_wrong(house: House) -> None:
    texts = shown(house, [], {**STATUS, "jobs": [], "training": None}, {})
    assert texts["problem"] == "OFF"
    assert (texts["trouble"], texts["job"], texts["samples"]) == ("none", "none", "0")
    assert (texts["held"], texts["accepted"], texts["paid"]) == ("OFF", "0", "0.0")
    assert {texts[name] for name in ("travelled", "steps", "temperature", "disk", "odometer")} == {"None"}


def test_only_figures_that_there_are_are_shown(house: House) -> None:
    house.start("homeassistant")
    text = json.dumps(house.announced()[PLACE])
    assert set(FIGURES) <= set(METRICS)
    assert all(name in text for name in FIGURES)


def test_home_assistant_listens_where_it_is_announced() -> None:
    assert matches("homeassistant/+/+/config", PLACE)
