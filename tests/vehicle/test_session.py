"""A vehicle and its workshop over a real broker: figures, wishes and the hold, over restarts of both."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair

from agent.compose.doors import broker
from agent.compose.vehicle import followed, identity
from agent.fleet.link import PahoLink
from agent.fleet.topics import VehicleTopics
from agent.host.clock import SystemClock
from agent.host.logs import Log
from agent.host.metrics import Metrics
from agent.host.scripted import ScriptedHost
from agent.host.sections import Agent, Config, Mqtt
from agent.journal import Journal
from agent.ports import Conditions, Message
from agent.vehicle.gauges import Gauges
from agent.vehicle.session import FleetSession
from agent.vehicle.supervisor import Supervisor
from tests.fleet.brokers import Mosquitto, until

TOPICS = VehicleTopics("north", "car")
STATUS: dict[str, Any] = {
    "troubles": [],
    "account": "G",
    "trip": {"phase": "waiting", "metres": 0, "total": 0},
    "jobs": [],
    "training": None,
    "software": "0.1.0",
    "profile": "none",
}


class Street:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker")
        self.workshop: PahoLink = self.broker.link("workshop", [f"{TOPICS.root}/#", "homeassistant/#"])
        until(lambda: self.workshop.connected)
        self.heard: list[Message] = []
        self.examinations, self.doctor_is_done = 0, threading.Event()
        self.start()

    def start(self, **mqtt: Any) -> None:
        self.journal = Journal(self.folder / "journal.sqlite")
        settings = Mqtt(host="127.0.0.1", port=self.broker.port, **{"metric_s": 10, **mqtt})
        config = Config(agent=Agent(id="car", fleet="north"), mqtt=settings)
        host = ScriptedHost(Conditions(temperature_c=80))
        self.log = io.StringIO()
        me = identity(config, Keypair.random())
        open_session = partial(FleetSession, me, broker(settings), settings.discovery, self.journal, SystemClock())
        self.supervisor = Supervisor(
            partial(followed, config), host, self.journal, Log(stream=self.log), self.examined, open_session
        )

    def examined(self) -> Mapping[str, Any]:
        self.examinations += 1
        self.doctor_is_done.wait(60)
        return {"healthy": True, "checks": [{"name": "disk", "state": "good", "seconds": 0.1}]}

    def stop(self) -> None:
        self.supervisor.close()
        self.journal.close()

    def restart(self, **mqtt: Any) -> None:
        self.stop()
        self.start(**mqtt)

    def on(self, topic: str) -> list[Any]:
        """What was said on a topic, turning the vehicle's loop once."""
        self.supervisor.look(ignition=True)
        self.supervisor.talk(STATUS, {"temperature_celsius": 80.0, "latitude": 48.1})
        self.heard += self.workshop.receive()
        return [json.loads(m.payload or b"null") for m in self.heard if m.topic == topic]

    def order(self, verb: str, id: str) -> None:
        self.workshop.publish(Message(TOPICS.command(verb), json.dumps({"id": id}).encode()))

    def wish(self, id: str, **settings: Any) -> Any:
        """The report on it."""
        body = {"id": id, "settings": {f"gates.{name}": value for name, value in settings.items()}}
        self.workshop.publish(Message(TOPICS.desired, json.dumps(body).encode(), retain=True))
        return until(lambda: [r for r in self.on(TOPICS.reported) if r["id"] == id])[-1]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.stop()
    street.broker.close()


def test_figures_are_heard_and_no_place_is_among_them(street: Street) -> None:
    said = until(lambda: street.on(TOPICS.metric))[0]
    assert said["figures"] == {"temperature_celsius": 80}
    assert said["every"] == 10


def test_a_wish_for_a_stricter_gate_shuts_it_and_is_reported(street: Street) -> None:
    until(lambda: street.on(TOPICS.state))
    assert street.supervisor.closed == frozenset()
    report = street.wish("w1", pause_above_c=79, resume_below_c=70, pause_below_volts=3)
    assert report["settings"]["gates.pause_above_c"] == 79
    assert list(report["refused"]) == ["gates.pause_below_volts"]
    assert "setting.followed key=gates.pause_above_c value=79" in street.log.getvalue()
    assert "setting.refused key=gates.pause_below_volts" in street.log.getvalue()
    until(lambda: street.on(TOPICS.state) and "temperature" in street.supervisor.closed)


def test_the_doctor_is_asked_from_afar_once_for_all_who_ask_and_the_vehicle_goes_on_meanwhile(street: Street) -> None:
    until(lambda: street.on(TOPICS.state))  # it is connected, and hears what is said now
    for id in ("1", "2", "1"):
        street.order("doctor", id)
    street.order("pause", "3")
    assert until(lambda: street.on(TOPICS.reply("pause")))[0]["ok"]
    assert street.on(TOPICS.reply("doctor")) == []
    street.doctor_is_done.set()
    found = until(lambda: (heard := street.on(TOPICS.reply("doctor"))) and len(heard) == 2 and heard)
    assert {answer["id"] for answer in found} == {"1", "2"}
    assert found[0]["result"] == {"healthy": True, "checks": [{"name": "disk", "state": "good", "seconds": 0.1}]}
    assert street.examinations == 1
    street.order("doctor", "1")
    until(lambda: len(street.on(TOPICS.reply("doctor"))) == 3)
    assert street.examinations == 1


def test_a_wish_outlives_the_vehicles_restart_and_the_brokers_loss(street: Street) -> None:
    street.wish("w1", pause_above_c=79)
    street.restart()
    street.on(TOPICS.state)
    assert street.supervisor.followed.taken == {"gates.pause_above_c": 79}
    assert "temperature" in street.supervisor.closed


@pytest.mark.slow
def test_what_is_in_force_is_said_again_to_a_broker_that_forgot_it(street: Street) -> None:
    street.wish("w1", pause_above_c=79)
    street.broker.kill()
    until(lambda: not street.supervisor._radio.link.connected)
    for file in (street.folder / "broker").glob("mosquitto.db*"):
        file.unlink()
    street.heard.clear()
    street.broker.revive()
    until(lambda: street.workshop.connected)
    assert until(lambda: street.on(TOPICS.reported))[-1]["settings"]["gates.pause_above_c"] == 79


def test_a_wish_made_while_the_car_sleeps_is_followed_when_it_wakes(street: Street) -> None:
    until(lambda: street.on(TOPICS.state))
    street.stop()
    body = {"id": "w2", "settings": {"gates.pause_above_c": 79}}
    street.workshop.publish(Message(TOPICS.desired, json.dumps(body).encode(), retain=True))
    until(lambda: street.workshop.acknowledged())
    street.start()
    until(lambda: street.on(TOPICS.state) and street.supervisor.followed.taken)


def test_home_assistant_is_told_when_it_is_wished_and_told_to_forget_when_it_is_not(street: Street) -> None:
    place = "homeassistant/device/car/config"
    until(lambda: street.on(TOPICS.reported))
    assert street.on(place) == []
    street.restart(discovery="homeassistant")
    assert until(lambda: street.on(place))[-1]["device"]["name"] == "car"
    street.restart()
    until(lambda: street.on(place)[-1] is None)


def test_what_was_refused_is_counted_by_where_it_came_from(street: Street) -> None:
    until(lambda: street.on(TOPICS.reported))
    street.workshop.publish(Message(TOPICS.desired, b"rubbish"))
    until(lambda: [r for r in street.on(TOPICS.reported) if "error" in r])
    gauges = Gauges(Metrics())
    street.supervisor.show(gauges)
    assert gauges.metrics.figures()["refused_total"] == {"broker": 0, "commands": 0, "desired": 1}


def test_a_broker_that_refuses_the_vehicle_is_a_trouble_of_status_and_log(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    (tmp_path / "broker").mkdir()
    mosquitto = Mosquitto(tmp_path / "broker", f"allow_anonymous false\npassword_file {tmp_path}/passwords")
    settings = Mqtt(host="127.0.0.1", port=mosquitto.port)
    config = Config(agent=Agent(id="car", fleet="north"), mqtt=settings)
    journal, log = Journal(tmp_path / "journal.sqlite"), io.StringIO()
    me = identity(config, Keypair.random())
    open_session = partial(FleetSession, me, broker(settings), settings.discovery, journal, SystemClock())
    supervisor = Supervisor(
        partial(followed, config), ScriptedHost(Conditions()), journal, Log(stream=log), lambda: {}, open_session
    )
    # A broker that hangs up right after its answer may be heard hanging up first; the next try is answered.
    until(lambda: any("refused the connection" in trouble for trouble in supervisor.troubles))
    (trouble,) = supervisor.troubles
    assert "refused the connection" in trouble
    supervisor.talk(STATUS, {})
    supervisor.talk(STATUS, {})
    assert log.getvalue().count("link.troubled") == 1
    supervisor.close()
    journal.close()
    mosquitto.close()
