"""What every FleetLink promises: the embedded one, and paho on amqtt (MQTT 3.1.1) and on mosquitto (MQTT 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import Refused
from agent.ports import FleetLink, Message
from tests.fleet.brokers import Amqtt, Loopback, Mosquitto, until

pytestmark = pytest.mark.slow

Harness = Loopback | Amqtt | Mosquitto


@pytest.fixture(params=["loopback", "amqtt", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    makers: dict[str, Callable[[], Harness]] = {
        "loopback": Loopback,
        "amqtt": lambda: Amqtt(tmp_path),
        "mosquitto": lambda: Mosquitto(tmp_path),
    }
    broker = makers[request.param]()
    yield broker
    broker.close()


def gather(link: FleetLink, count: int) -> list[Message]:
    """The next `count` messages."""
    found: list[Message] = []
    until(lambda: found.extend(link.receive()) or len(found) >= count)
    return found


def test_a_message_reaches_those_who_subscribed_and_is_confirmed(broker: Harness) -> None:
    page, car = broker.link("page", ["fleet/+/event/#"]), broker.link("car")
    until(lambda: page.connected and car.connected)
    other = car.publish(Message("elsewhere", b"no"))
    sent = car.publish(Message("fleet/car/event/trip", b'{"seq":1}'))
    assert gather(page, 1) == [Message("fleet/car/event/trip", b'{"seq":1}')]
    confirmed: list[int] = []
    until(lambda: confirmed.extend(car.acknowledged()) or len(confirmed) == 2)
    assert confirmed == [other, sent]
    assert list(car.acknowledged()) == []


def test_a_retained_message_greets_those_who_come_later(broker: Harness) -> None:
    car = broker.link("car")
    until(lambda: car.connected)
    car.publish(Message("fleet/car/state", b"old", retain=True))
    car.publish(Message("fleet/car/state", b"new", retain=True))
    until(lambda: len(car.acknowledged()) > 0)
    late = broker.link("late", ["fleet/+/state"])
    assert gather(late, 1)[-1] == Message("fleet/car/state", b"new", retain=True)


def test_what_was_taken_while_away_arrives_in_order_when_the_link_is_back(broker: Harness) -> None:
    page, car = broker.link("page", ["event/#"]), broker.link("car")
    until(lambda: page.connected and car.connected)
    broker.part(car)
    until(lambda: not car.connected)
    ids = [car.publish(Message("event/x", b"%d" % number)) for number in range(30)]
    assert None not in ids
    assert car.publish(Message("event/x", b"at most once"), qos=0) is None
    broker.join(car)
    found = gather(page, 30)
    assert list(dict.fromkeys(message.payload for message in found)) == [b"%d" % number for number in range(30)]
    confirmed: list[int] = []
    until(lambda: confirmed.extend(car.acknowledged()) or len(confirmed) >= 30)
    assert sorted(confirmed) == ids


def test_a_link_made_before_its_broker_runs_works_once_it_does(broker: Harness) -> None:
    broker.kill()
    car = broker.link("car", ["to/car"])
    assert not car.connected
    first = car.publish(Message("to/car", b"hello"))
    broker.revive()
    confirmed: list[int | None] = []
    until(lambda: confirmed.extend(car.acknowledged()) or confirmed)
    assert confirmed == [first]
    until(lambda: car.connected)  # a broker may have taken the message before it took the subscription
    car.publish(Message("to/car", b"again"))
    until(lambda: any(message.payload == b"again" for message in car.receive()))


def test_the_last_will_speaks_for_a_car_that_vanished(broker: Harness) -> None:
    page = broker.link("page", ["status"])
    car = broker.link("car", will=Message("status", b"offline", retain=True))
    until(lambda: page.connected and car.connected)
    car.publish(Message("status", b"online", retain=True))
    assert gather(page, 1)[0].payload == b"online"
    broker.cut(car)
    assert gather(page, 1)[0].payload == b"offline"
    late = broker.link("late", ["status"])
    assert gather(late, 1)[0].payload == b"offline"


def test_after_a_goodbye_there_is_no_last_will(broker: Harness) -> None:
    page = broker.link("page", ["status", "done"])
    car, other = broker.link("car", will=Message("status", b"offline", retain=True)), broker.link("other")
    until(lambda: page.connected and car.connected and other.connected)
    car.publish(Message("status", b"stopped", retain=True))
    car.close()
    car.close()
    assert car.publish(Message("status", b"ghost")) is None
    assert gather(page, 1)[0].payload == b"stopped"
    other.publish(Message("done", b""))
    assert [message.topic for message in gather(page, 1)] == ["done"]


def test_an_oversized_payload_never_reaches_anybody(broker: Harness) -> None:
    car = broker.link("car", ["cmd/+"])
    with pytest.raises(Refused):
        car.publish(Message("cmd/x", b"x" * 70_000))


def test_a_full_queue_says_so_instead_of_growing(broker: Harness) -> None:
    broker.kill()
    car = broker.link("car", max_waiting=5)
    until(lambda: not car.connected)
    ids = [car.publish(Message("event/x", b"")) for _ in range(7)]
    assert ids[5:] == [None, None]
    assert None not in ids[:5]


def test_more_than_the_inbox_holds_is_counted_and_dropped(broker: Harness) -> None:
    page, car = broker.link("page", ["event/#"], max_waiting=5), broker.link("car")
    until(lambda: page.connected and car.connected)
    for _ in range(12):
        car.publish(Message("event/x", b""))
    until(lambda: page.refused == 7)
    assert len(page.receive()) == 5
