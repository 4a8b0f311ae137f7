"""Nothing lost and nothing doubled, whatever dies."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Malformed
from agent.fleet.event_message import EventMessage, Happened, describer
from agent.fleet.inbox import Inbox
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.outbox import CURSOR, WINDOW, Outbox
from agent.fleet.topics import VehicleTopics, whole_fleet
from agent.journal import Journal
from agent.ports import FleetLink, Message
from tests.fleet.brokers import Mosquitto, until

TOPICS = VehicleTopics("north", "car")


class Page:
    """A consumer: drops what it has by seq, and keeps what was new."""

    def __init__(self, link: FleetLink) -> None:
        self.link, self.inbox = link, Inbox()
        self.had: list[int] = []
        self.repeats = 0

    def read(self) -> Page:
        for message in self.link.receive():
            body = json.loads(message.payload)
            if self.inbox.take(body["journal"], body["seq"], body["after"]):
                self.had.append(body["seq"])
            else:
                self.repeats += 1
        return self


class Street:
    def __init__(self, path: Path) -> None:
        self.broker = LoopbackBroker()
        self.page = Page(LoopbackLink(self.broker, whole_fleet()))
        self.journal = Journal(path)
        self.restart()

    def restart(self) -> None:
        self.link = LoopbackLink(self.broker)
        self.outbox = Outbox(self.journal, self.link, describer(TOPICS))

    def happen(self, count: int = 1) -> None:
        for _ in range(count):
            self.journal.append("trip", "opened", {}, at=0.0)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path / "journal.db")
    yield street
    street.journal.close()


def test_events_go_out_in_order_with_their_seq_and_the_one_before(street: Street) -> None:
    street.happen(3)
    assert street.outbox.pump() == 3
    bodies = [json.loads(message.payload) for message in street.page.link.receive()]
    assert [(body["seq"], body["after"]) for body in bodies] == [(1, 0), (2, 1), (3, 2)]
    assert street.outbox.behind
    street.outbox.pump()
    assert not street.outbox.behind
    assert street.journal.cursor(CURSOR) == 3


def test_nothing_is_handed_to_a_link_without_a_broker(street: Street) -> None:
    street.broker.stop()
    street.happen(5)
    assert street.outbox.pump() == 0
    street.broker.start()
    assert street.outbox.pump() == 5


def test_the_cursor_waits_for_the_first_that_is_not_confirmed(street: Street) -> None:
    class Forgetful(LoopbackLink):
        """Confirms everything but the second message, for now."""

        def acknowledged(self) -> list[int]:
            return [number for number in super().acknowledged() if number != 2]

    street.link = Forgetful(street.broker)
    street.outbox = Outbox(street.journal, street.link, describer(TOPICS))
    street.happen(4)
    street.outbox.pump()
    street.outbox.pump()
    assert street.journal.cursor(CURSOR) == 1
    street.restart()
    street.outbox.pump()
    street.outbox.pump()
    assert street.page.read().had == [1, 2, 3, 4]
    assert street.page.repeats == 3
    assert street.journal.cursor(CURSOR) == 4


def test_a_long_backlog_goes_out_in_portions(street: Street) -> None:
    street.happen(WINDOW * 2 + 5)
    portions = [street.outbox.pump() for _ in range(4)]
    assert portions == [WINDOW, WINDOW, 5, 0]


def test_events_that_stay_in_the_car_leave_no_gap(street: Street) -> None:
    def describe(event: Happened) -> EventMessage | None:
        return describer(TOPICS)(event) if event.seq % 3 == 0 else None

    street.outbox = Outbox(street.journal, street.link, describe)
    street.happen(10)
    street.outbox.pump()
    assert street.page.read().had == [3, 6, 9]
    assert street.page.inbox.gaps == []


def test_a_full_link_is_no_loss(street: Street) -> None:
    class Narrow(LoopbackLink):
        room = 2

        def publish(self, message: Message, qos: int = 1) -> int | None:
            self.room -= 1
            return super().publish(message, qos) if self.room >= 0 else None

    link = Narrow(street.broker)
    street.outbox = Outbox(street.journal, link, describer(TOPICS))
    street.happen(5)
    assert street.outbox.pump() == 2
    link.room = 10
    assert street.outbox.pump() == 3
    assert street.page.read().had == [1, 2, 3, 4, 5]
    assert street.page.repeats == 0


def test_what_a_page_lost_is_sent_again_when_it_asks(street: Street) -> None:
    street.happen(2)
    street.outbox.pump()
    street.page.read()
    street.happen(3)
    street.outbox.pump()
    street.page.link.receive()  # lost
    street.happen(1)
    street.outbox.pump()
    assert street.page.read().inbox.gaps == [(2, 5)]
    after, wanted = street.page.inbox.gaps[0]
    assert street.outbox.resend({"after": after, "until": wanted}) == {"after": 2, "until": 5}
    street.outbox.pump()
    assert sorted(street.page.read().had) == [1, 2, 3, 4, 5, 6]
    assert street.page.inbox.gaps == []
    street.outbox.pump()
    assert street.journal.cursor(CURSOR) == 6


@pytest.mark.parametrize(
    "args", [{}, {"after": "1", "until": 2}, {"after": -1, "until": 2}, {"after": 1.5, "until": 2}]
)
def test_a_resend_of_nonsense_is_refused(street: Street, args: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        street.outbox.resend(args)


def test_a_resend_never_runs_ahead_of_what_was_published(street: Street) -> None:
    street.happen(3)
    street.outbox.pump()
    assert street.outbox.resend({"after": 1, "until": 10**9}) == {"after": 1, "until": 3}


_AGENT = """
import sys, threading
from pathlib import Path
from agent.fleet.broker import Broker
from agent.fleet.commands import Commands
from agent.fleet.link import PahoLink
from agent.fleet.outbox import Outbox
from agent.fleet.event_message import describer
from agent.fleet.topics import VehicleTopics
from agent.journal import Journal
from agent.host.clock import ManualClock
path, port, enough = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
topics = VehicleTopics("north", "car")
journal = Journal(path)
link = PahoLink(Broker("127.0.0.1", port), "car", [topics.commands])
outbox = Outbox(journal, link, describer(topics))
commands = Commands(link, topics, journal, ManualClock(), {"resend": outbox.resend})
written = sum(1 for _ in journal.events())
tick = threading.Event()
print("up", flush=True)
while not tick.wait(0.002):
    if written < enough:
        written = journal.append("trip", "opened", {}, at=0.0).seq
    outbox.pump()
    commands.obey(link.receive())
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_agent_killed_broker_killed_link_cut_and_every_event_arrives_once(tmp_path: Path, seed: int) -> None:
    luck, count = random.Random(seed), 800
    path = tmp_path / "car" / "journal.db"
    broker = Mosquitto(tmp_path)
    page = Page(broker.link("page", whole_fleet(), max_waiting=10_000))
    passage = broker.wire()
    try:
        until(lambda: page.link.connected)
        for blow in ("kill", "cut", "broker", "kill", "broker", "cut", "kill", "none"):
            agent = subprocess.Popen(
                [sys.executable, "-c", _AGENT, str(path), str(passage.port), str(count)],
                stdout=subprocess.PIPE,
                text=True,
            )
            with agent:
                assert agent.stdout is not None
                assert agent.stdout.readline() == "up\n"
                goal = len(page.had) + luck.randrange(20, 100)
                until(lambda goal=goal: len(page.read().had) >= min(goal, count))
                if blow == "cut":
                    passage.cut()
                    passage.mend()
                elif blow == "broker":
                    broker.kill()
                    broker.revive()
                elif blow == "none":
                    until(lambda: page.read().inbox.last == count)
                    # A broker killed at the wrong moment may have lost what it had confirmed: the page asks.
                    for number, (after, until_seq) in enumerate(page.inbox.gaps):
                        order = {"id": f"{number}", "args": {"after": after, "until": until_seq}}
                        page.link.publish(Message(TOPICS.command("resend"), json.dumps(order).encode()))
                    until(lambda: len(page.read().had) == count)
                agent.send_signal(signal.SIGKILL)
        assert sorted(page.had) == list(range(1, count + 1))
        assert page.inbox.gaps == []
    finally:
        broker.close()
