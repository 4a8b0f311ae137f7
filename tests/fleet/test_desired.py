"""What the workshop wishes is followed as far as it may be, answered by name, and survives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.desired import MAX_WISH, NOTE, Desired, WishOutcome
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from agent.journal import Journal, JournalFull
from agent.ports import Message

TOPICS = VehicleTopics("north", "car")


class Car:
    """A vehicle that lets its volume be set and nothing else, and the workshop that wishes."""

    def __init__(self, path: Path) -> None:
        self.path, self.broker = path, LoopbackBroker()
        self.workshop = LoopbackLink(self.broker, [TOPICS.reported])
        self.followed: list[Mapping[str, Any]] = []
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.path)
        self.link = LoopbackLink(self.broker, [TOPICS.desired, TOPICS.commands])
        self.desired = Desired(self.link, TOPICS, "s1", self.journal, ManualClock(), self.follow)

    def restart(self) -> None:
        self.link.close()
        self.journal.close()
        self.start()

    def follow(self, wishes: Mapping[str, Any]) -> WishOutcome:
        self.followed.append(wishes)
        refused = {key: "It cannot be changed." for key in wishes if key != "volume"}
        return WishOutcome({"volume": wishes.get("volume", 5)}, refused)

    def wish(self, payload: Any) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.broker.deliver(Message(TOPICS.desired, data, retain=True))
        self.desired.hear(self.link.receive())

    def reports(self) -> list[Any]:
        return [json.loads(message.payload) for message in self.workshop.receive()]


@pytest.fixture
def car(tmp_path: Path) -> Iterator[Car]:
    car = Car(tmp_path / "journal.db")
    yield car
    car.journal.close()


def test_each_setting_is_taken_or_refused_by_name(car: Car) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7, "market.max_stake": "1000"}})
    (report,) = car.reports()
    assert (report["id"], report["session"]) == ("w1", "s1")
    assert report["settings"] == {"volume": 7}
    assert report["refused"] == {"market.max_stake": "It cannot be changed."}


def test_a_late_workshop_still_reads_what_is_in_force(car: Car) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7}})
    (late,) = LoopbackLink(car.broker, [TOPICS.reported]).receive()
    assert json.loads(late.payload)["settings"] == {"volume": 7}


def test_a_wish_outlives_a_restart(car: Car) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7}})
    car.restart()
    assert car.followed[-1] == {"volume": 7}
    car.desired.report()
    assert car.reports()[-1]["id"] == "w1"


def test_the_same_wish_again_is_answered_and_changes_nothing(car: Car) -> None:
    for _ in range(3):
        car.wish({"id": "w1", "settings": {"volume": 7}})
    assert car.followed == [{}, {"volume": 7}]
    assert len(car.reports()) == 3


def test_what_the_next_wish_does_not_name_is_as_it_was(car: Car) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7}})
    car.wish({"id": "w2", "settings": {}})
    assert [report["settings"]["volume"] for report in car.reports()] == [7, 5]


def test_to_clear_the_retained_wish_is_to_wish_for_nothing(car: Car) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7}})
    car.wish(b"")
    assert car.reports()[-1]["settings"] == {"volume": 5}
    car.restart()
    assert car.followed[-1] == {}


def test_of_a_flood_only_the_newest_wish_is_read(car: Car) -> None:
    for number in range(500):
        car.link.take(Message(TOPICS.desired, json.dumps({"id": str(number), "settings": {"volume": number}}).encode()))
    car.desired.hear(car.link.receive())
    assert car.followed == [{}, {"volume": 499}]
    assert len(car.reports()) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"id":"x"}',
        b'{"id":"a b","settings":{}}',
        b'{"id":"x","settings":[]}',
        b'{"id":"x","settings":{"Bad Key":1}}',
        b'{"id":"x","settings":{"volume":NaN}}',
        b'{"id":"x","settings":{"volume":[7]}}',
        b'{"id":"x","settings":{"volume":null}}',
        b'{"id":"x","settings":{},"more":1}',
        b"[" * (MAX_WISH - 1),
        b'{"id":"x","settings":{"volume":"' + b"y" * MAX_WISH + b'"}}',
        json.dumps({"id": "x", "settings": {f"k{n}": 1 for n in range(33)}}).encode(),
    ],
)
def test_a_malformed_wish_is_answered_and_changes_nothing(car: Car, payload: bytes) -> None:
    car.wish({"id": "w1", "settings": {"volume": 7}})
    car.wish(payload)
    report = car.reports()[-1]
    assert report["settings"] == {"volume": 7}
    assert report["error"].startswith("a wish for settings is malformed: ")
    assert (car.followed[-1], car.desired.refused) == ({"volume": 7}, 1)


def test_a_wish_that_cannot_be_written_down_waits_until_it_can(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, text: str) -> None:
        raise JournalFull(path=car.path)

    monkeypatch.setattr(car.journal, "remember", full)
    with pytest.raises(JournalFull):
        car.wish({"id": "w1", "settings": {"volume": 7}})
    assert (car.followed, car.reports()) == ([{}], [])
    monkeypatch.undo()
    car.desired.hear([])
    assert car.reports()[0]["settings"] == {"volume": 7}
    assert "w1" in (car.journal.note(NOTE) or "")


def test_what_is_said_to_another_vehicle_is_no_wish(car: Car) -> None:
    car.desired.hear([Message("milepost/v1/north/other/config/desired", b'{"id":"x","settings":{"volume":1}}')])
    assert car.followed == [{}]
