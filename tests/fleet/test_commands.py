"""Commands do what they say once, are answered, and never do harm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Unavailable
from agent.fleet.commands import BURST, Commands
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from agent.journal import Journal
from agent.ports import Message

TOPICS = VehicleTopics("north", "car")


class Car:
    """A vehicle that counts what it was told, and the workshop that tells it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broker, self.clock = LoopbackBroker(), ManualClock()
        self.link = LoopbackLink(self.broker, [TOPICS.commands, "milepost/v1/north/other/cmd/+"])
        self.workshop = LoopbackLink(self.broker, [TOPICS.reply("+")])
        self.done: list[str] = []
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.path)
        handlers = {verb: self.handler(verb) for verb in ("pause", "resume", "hold", "release", "resend")}
        handlers["doctor"] = self.broken
        self.commands = Commands(self.link, TOPICS, self.journal, self.clock, handlers)

    def handler(self, verb: str) -> Any:
        def handle(args: Mapping[str, Any]) -> Mapping[str, Any]:
            self.done.append(verb)
            return {"count": len(self.done), **args}

        return handle

    def broken(self, _args: Mapping[str, Any]) -> None:
        raise Unavailable(what="The ledger")

    def tell(self, verb: str, payload: Any, retain: bool = False) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.link.take(Message(TOPICS.command(verb), data, retain))
        self.commands.obey(self.link.receive())

    def answers(self) -> list[Any]:
        return [json.loads(message.payload) for message in self.workshop.receive()]


@pytest.fixture
def car(tmp_path: Path) -> Iterator[Car]:
    car = Car(tmp_path / "journal.db")
    yield car
    car.journal.close()


def test_a_command_is_done_and_answered(car: Car) -> None:
    car.tell("pause", {"id": "1", "args": {"why": "ferry"}})
    assert car.done == ["pause"]
    assert car.answers() == [{"id": "1", "ok": True, "result": {"count": 1, "why": "ferry"}}]


def test_the_same_command_again_does_nothing_and_gets_the_same_answer(car: Car) -> None:
    for _ in range(3):
        car.tell("hold", {"id": "1"})
    assert car.done == ["hold"]
    assert car.answers() == [{"id": "1", "ok": True, "result": {"count": 1}}] * 3


def test_a_command_is_remembered_over_a_restart(car: Car) -> None:
    car.tell("hold", {"id": "1"})
    car.journal.close()
    car.start()
    car.tell("hold", {"id": "1"})
    assert car.done == ["hold"]


def test_an_id_used_for_another_verb_is_refused(car: Car) -> None:
    car.tell("hold", {"id": "1"})
    car.tell("release", {"id": "1"})
    assert car.done == ["hold"]
    assert car.answers()[1] == {"id": "1", "ok": False, "error": "The id was used for hold: choose another."}


def test_what_goes_wrong_is_answered_with_its_sentence(car: Car) -> None:
    car.tell("doctor", {"id": "1"})
    assert car.answers()[0]["error"].startswith("The ledger cannot be reached.")


def test_an_unknown_verb_is_answered_with_those_there_are(car: Car) -> None:
    car.tell("explode", {"id": "1"})
    assert car.answers()[0]["error"].startswith("There is no command explode. There are: doctor, hold")


def test_a_retained_command_is_refused_since_it_would_come_for_ever(car: Car) -> None:
    car.tell("hold", {"id": "1"}, retain=True)
    assert car.done == []
    assert "retain" in car.answers()[0]["error"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"id": 5}',
        b'{"id": "a b"}',
        b'{"id":"1","args":[]}',
        b"[" * 4000,
    ],
)
def test_a_malformed_command_is_counted_and_nothing_else(car: Car, payload: bytes) -> None:
    car.tell("hold", payload)
    assert (car.done, car.answers(), car.commands.refused) == ([], [], 1)


def test_an_oversized_command_is_counted_and_nothing_else(car: Car) -> None:
    car.tell("hold", {"id": "1", "args": {"x": "y" * 5000}})
    car.tell("hold", b"x" * 10_000_000)
    assert (car.done, car.commands.refused, car.link.refused) == ([], 1, 1)


def test_a_flood_is_heard_up_to_its_bound_and_no_answer_feeds_it(car: Car) -> None:
    for number in range(500):
        car.tell("hold", {"id": str(number)})
    assert len(car.done) == BURST
    assert len(car.answers()) == BURST
    assert car.commands.refused == 500 - BURST
    car.clock.sleep(3)
    for number in range(500, 510):
        car.tell("hold", {"id": str(number)})
    assert len(car.done) == BURST + 3


def test_a_command_for_another_vehicle_is_not_obeyed(car: Car) -> None:
    car.link.take(Message("milepost/v1/north/other/cmd/hold", b'{"id":"1"}'))
    car.commands.obey(car.link.receive())
    assert car.done == []
