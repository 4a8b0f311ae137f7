"""What is the paho link's own: versions of MQTT, a will that waits, a status that is said again, and bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.fleet.broker import Broker
from agent.fleet.link import PahoLink
from agent.fleet.status import Presence, last_will
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from agent.ports import Message
from tests.fleet.brokers import Amqtt, Mosquitto, free_port, until

TOPICS = VehicleTopics("north", "car")
HUGE = 10_000_000


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    yield broker
    broker.close()


@pytest.fixture
def amqtt(tmp_path: Path) -> Iterator[Amqtt]:
    broker = Amqtt(tmp_path)
    yield broker
    broker.close()


def shout(port: int, topic: str, payload: bytes) -> None:
    """Publish whatever one likes, as a client that is not ours could."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "stranger")
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_mqtt_5_where_the_broker_knows_it_and_3_1_1_where_it_does_not(mosquitto: Mosquitto, amqtt: Amqtt) -> None:
    new, old = mosquitto.link("car"), amqtt.link("car")
    until(lambda: new.connected and old.connected)
    assert (new.version, old.version) == ("5", "3.1.1")


@pytest.mark.slow
def test_without_a_broker_there_is_a_sentence_and_no_exception() -> None:
    link = PahoLink(Broker("127.0.0.1", free_port()), "car")
    until(lambda: "does not answer" in (link.trouble or ""))
    assert not link.connected
    link.close()


def test_a_tunnel_is_no_alarm(mosquitto: Mosquitto) -> None:
    page = mosquitto.link("page", [TOPICS.status, "end"])
    car = mosquitto.link("car", will=last_will(TOPICS, "s1"), will_delay=30)
    presence = Presence(car, TOPICS, "s1", ManualClock())
    presence.online()
    until(lambda: page.connected and car.connected)
    mosquitto.part(car)
    until(lambda: not car.connected)
    mosquitto.join(car)
    until(lambda: car.connected)
    car.publish(Message("end", b""))
    heard: list[Message] = []
    until(lambda: heard.extend(page.receive()) or (heard and heard[-1].topic == "end"))
    assert {json.loads(message.payload)["status"] for message in heard[:-1]} == {"online"}


@pytest.mark.slow
def test_the_status_is_said_again_to_a_broker_that_forgot_it(amqtt: Amqtt) -> None:
    car = amqtt.link("car", will=last_will(TOPICS, "s1"))
    Presence(car, TOPICS, "s1", ManualClock()).online()
    until(lambda: car.connected)
    amqtt.kill()
    until(lambda: not car.connected)
    amqtt.revive()
    late = amqtt.link("late", [TOPICS.status])
    assert json.loads(until(late.receive)[0].payload)["status"] == "online"


def test_ten_megabytes_never_reach_a_vehicle_and_it_stays_connected(mosquitto: Mosquitto) -> None:
    car = mosquitto.link("car", [TOPICS.commands])
    until(lambda: car.connected)
    shout(mosquitto.port, TOPICS.command("hold"), b"x" * HUGE)
    shout(mosquitto.port, TOPICS.command("hold"), b"small")
    assert [message.payload for message in until(car.receive)] == [b"small"]
    assert car.connected


def test_ten_megabytes_from_a_broker_that_lets_them_through_are_counted_and_dropped(amqtt: Amqtt) -> None:
    car = amqtt.link("car", [TOPICS.commands])
    until(lambda: car.connected)
    shout(amqtt.port, TOPICS.command("hold"), b"x" * HUGE)
    until(lambda: car.refused == 1)
    shout(amqtt.port, TOPICS.command("hold"), b"small")
    assert [message.payload for message in until(car.receive)] == [b"small"]
