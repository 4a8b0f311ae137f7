"""What is the paho link's own: versions of MQTT, a will that waits, a status that is said again, and bad input."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.fleet.broker import Broker
from agent.fleet.link import PahoLink
from agent.fleet.status import Presence, last_will
from agent.fleet.terms import TAKEN_OVER, Rivalry
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
    until(lambda: "does not answer" in str(link.trouble))
    assert not link.connected
    link.close()


def test_whoever_waits_is_told_of_a_message(mosquitto: Mosquitto) -> None:
    told = threading.Event()
    car = mosquitto.link("car", [TOPICS.commands], wake=told.set)
    until(lambda: car.connected)
    workshop = mosquitto.link("workshop")
    until(lambda: workshop.connected)
    workshop.publish(Message(TOPICS.command("hold"), b"{}"))
    assert told.wait(60)
    assert car.has_heard
    assert len(car.receive()) == 1
    assert not car.has_heard
    car.close()
    workshop.close()


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


# --- what a driver is told of a broker that does not play along


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Callable[[str], Mosquitto]]:
    """A broker with these settings."""
    with ExitStack() as brokers:

        def make(settings: str) -> Mosquitto:
            return brokers.enter_context(closing(Mosquitto(tmp_path, settings)))

        yield make


def test_a_wrong_password_is_a_fault_with_what_to_check(strict: Callable[[str], Mosquitto], tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    car = strict(f"allow_anonymous false\npassword_file {tmp_path}/passwords").link("car")
    assert "refused the connection" in str(until(lambda: car.fault))
    assert "password" in str(car.trouble) and not car.connected


def test_a_subscription_that_is_denied_is_a_fault(strict: Callable[[str], Mosquitto], tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic read other/#\n")
    car = strict(f"allow_anonymous true\nacl_file {tmp_path}/acl\nallow_zero_length_clientid true").link(
        "car", ["cmd/#"]
    )
    until(lambda: car.connected or car.fault)


@pytest.mark.slow
def test_two_cars_with_one_id_are_told_and_give_way(mosquitto: Mosquitto) -> None:
    one = mosquitto.link("car", [TOPICS.commands])
    until(lambda: one.connected)
    other = mosquitto.link("car", [TOPICS.commands])
    until(lambda: other.connected)
    assert "use the id car too: give each vehicle an id" in str(until(lambda: one.fault))
    assert not one.connected, "it waits a minute before it takes the session back"


def test_a_broker_that_says_who_took_the_session_is_believed_at_once() -> None:
    rivalry = Rivalry()
    rivalry.lost(1000.0, 3600.0, TAKEN_OVER)
    assert "uses the id car too" in str(rivalry.suspected(1001.0, client="car"))
    assert rivalry.suspected(2000.0) is None


def test_a_poor_link_is_not_taken_for_another_car() -> None:
    rivalry = Rivalry()
    for minute in range(60):
        rivalry.lost(60.0 * minute, 40.0, 0x80)
    assert rivalry.suspected(3600.0) is None


def test_a_broker_that_keeps_no_retained_messages_is_said_and_gets_all_else(
    strict: Callable[[str], Mosquitto],
) -> None:
    broker = strict("allow_anonymous true\nretain_available false")
    page = broker.link("page", ["events", TOPICS.status])
    car = broker.link("car", [TOPICS.commands], will=last_will(TOPICS, "s1"))
    Presence(car, TOPICS, "s1", ManualClock()).online()
    until(lambda: page.connected and car.connected)
    car.publish(Message("events", b"1"))
    heard: list[Message] = []
    until(lambda: heard.extend(page.receive()) or "events" in [message.topic for message in heard])
    assert TOPICS.status in [message.topic for message in heard]
    assert "keeps no retained messages" in str(car.trouble)


@pytest.mark.parametrize("most", [2, 10])
def test_no_more_is_on_its_way_than_the_broker_takes(strict: Callable[[str], Mosquitto], most: int) -> None:
    broker = strict(f"allow_anonymous true\nmax_inflight_messages {most}")
    page = broker.link("page", ["events"])
    until(lambda: page.connected)  # a broker keeps nothing for whom it has not met
    car = broker.link("car", [TOPICS.commands])
    for number in range(200):
        car.publish(Message("events", b"%d" % number))
    until(lambda: car.connected)
    broker.part(car)
    until(lambda: not car.connected)
    broker.join(car)
    for number in range(200, 400):
        car.publish(Message("events", b"%d" % number))
    heard: list[Message] = []
    until(lambda: heard.extend(page.receive()) or len({message.payload for message in heard}) == 400)
    assert car.fault is None
