"""The board says what the fleet said, once, and nothing it did not say."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from starlette.responses import JSONResponse

from agent.content.folder import FolderStore
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.page import dashboard as board_room
from agent.fleet.page.dashboard import Dashboard
from agent.fleet.page.rounds import read_round
from agent.fleet.page.table import table
from agent.fleet.topics import whole_fleet
from agent.host.clock import ManualClock
from agent.ports import Message
from tests.fleet.page.family import MODEL, cid, put_family
from tests.fleet.page.street import UNIT, Car, honest, hostile, tx


class Street:
    def __init__(self) -> None:
        self.broker, self.clock, self.dashboard = LoopbackBroker(), ManualClock(), Dashboard()
        self.ears = LoopbackLink(self.broker, whole_fleet(), max_waiting=100_000)

    def car(self, name: str = "car-1") -> Car:
        return Car(self.broker, self.clock, name)

    def look(self) -> Dashboard:
        for message in self.ears.receive():
            self.dashboard.take(message, self.clock.now())
        self.dashboard.age(self.clock.now())
        return self.dashboard


@pytest.fixture
def street() -> Street:
    return Street()


def test_online_healthy_and_fresh_are_answered_apart(street: Street) -> None:
    car = street.car()
    car.say()
    card = street.look().vehicles["north/car-1"]
    assert (card.status, card.healthy, card.fresh) == ("online", True, True)
    street.clock.sleep(10)
    car.say("The camera gives black frames.")
    street.look()
    assert (card.status, card.healthy, card.fresh) == ("online", False, True)
    street.clock.sleep(1000)
    street.look()
    assert (card.status, card.healthy, card.fresh) == ("online", False, False)
    street.broker.cut(car.link)
    street.look()
    assert (card.status, card.healthy, card.fresh) == ("offline", False, False)


def test_an_old_last_will_does_not_bury_a_vehicle_that_lives_again(street: Street) -> None:
    car = street.car()
    will = json.dumps({"status": "offline", "session": "an earlier life"}).encode()
    street.ears.take(Message(car.topics.status, will))
    assert street.look().vehicles["north/car-1"].status == "online"


def test_a_job_passes_through_its_states_and_ends_with_pay_and_transactions(street: Street) -> None:
    car = street.car()
    car.live(honest(1)[:8])
    job = street.look().jobs["north/car-1/trip-000001"]
    assert (job.state, job.outcome) == ("entered", "")
    assert street.dashboard.counts()["states"] == {"entered": 1}
    car.live(honest(1)[8:])
    street.look()
    assert (job.state, job.outcome, job.is_over) == ("closed", "accepted", True)
    assert job.facts["transaction"] == tx("entry-1")
    assert job.facts["settlement"] == tx("settled-1")
    assert job.facts["closing"] == tx("closing-1")
    assert job.facts["paid"] == str(5 * UNIT)
    assert [kind for _, kind, _ in job.path][-3:] == ["accepted", "closing", "closed"]
    assert street.dashboard.vehicles["north/car-1"].outcomes == {"accepted": 1}


def test_no_envelope_reaches_the_page(street: Street) -> None:
    street.car().live(honest(1))
    assert "AAAA" not in json.dumps(street.look().since(0))


def test_who_paid_whom_adds_up(street: Street) -> None:
    street.car("good").live(honest(1))
    street.car("good").live([])
    street.car("bad").live(hostile(2))
    paid = {(c.source, c.to, c.asset, c.why): c.amount for c in street.look().payments.values()}
    assert paid == {
        ("settlement", "north/good", "VLMroad", "credit"): UNIT // 2,
        ("north/good", "settlement", "DLC", "fee"): UNIT // 10,
        ("settlement", "north/good", "XLM", "reward"): 5 * UNIT,
        ("north/bad", "settlement", "DLC", "forfeited stake"): 5 * UNIT,
    }


def test_an_event_that_comes_twice_counts_once(street: Street) -> None:
    car = street.car()
    car.live(honest(1))
    messages = list(street.ears.receive())
    for message in messages + messages:
        street.dashboard.take(message, street.clock.now())
    assert street.dashboard.counts()["outcomes"] == {"accepted": 1}
    assert street.dashboard.counts()["paid"] == str(5 * UNIT)


def test_lost_events_show_as_missing_until_they_are_sent_again(street: Street) -> None:
    car = street.car()
    car.live(honest(1)[:2])
    street.look()
    car.live(honest(1)[2:5])
    street.ears.receive()
    car.live(honest(1)[5:])
    assert street.look().counts()["missed"] == 1
    car.outbox.resend({"after": 2, "until": 5})
    car.outbox.pump()
    assert street.look().counts()["missed"] == 0
    assert street.dashboard.jobs["north/car-1/trip-000001"].state == "closed"


def test_a_board_that_starts_late_still_places_a_job(street: Street) -> None:
    car = street.car()
    car.live(honest(1)[:7])
    street.ears.receive()
    car.live(honest(1)[7:9])
    assert street.look().jobs["north/car-1/trip-000001"].state == "settled"


def test_only_what_changed_is_told_again(street: Street) -> None:
    first, second = street.car("a"), street.car("b")
    first.live(honest(1))
    second.live(honest(2))
    version = street.look().version
    assert {card["key"] for card in street.dashboard.since(0)["vehicles"]} == {"north/a", "north/b"}
    street.clock.sleep(2)
    second.say("No fix from gpsd for 60 s.")
    news = street.look().since(version)
    assert [card["key"] for card in news["vehicles"]] == ["north/b"]
    assert (news["jobs"], news["rounds"], news["payments"]) == ([], [], [])
    assert {job["vehicle"] for job in street.dashboard.since(0, vehicle="north/a")["jobs"]} == {"north/a"}


def test_the_first_look_is_bounded_and_later_ones_miss_nothing(street: Street) -> None:
    cars = [street.car(f"car-{number}") for number in range(30)]
    version = street.look().version
    for car in cars:
        car.live([("opened", {})])
    assert len(street.look().since(0, jobs=10)["jobs"]) == 10
    assert len(street.dashboard.since(version, jobs=10)["jobs"]) == 30


TOPIC = "milepost/v1/north/car-1/"


@pytest.mark.parametrize(
    ("tail", "payload"),
    [
        ("status", b""),
        ("status", b'"online"'),
        ("status", b'{"status":"exploded","session":"x"}'),
        ("status", b"\xff\xfe"),
        ("state", b'{"healthy":"yes","troubles":[]}'),
        ("state", b'{"healthy":true,"troubles":"none"}'),
        ("state", b"[" * 60_000),
        ("state", b'{"healthy":true,"troubles":[],"jobs":7}'),
        ("state", b'{"healthy":true,"troubles":[],"trip":{"phase":"open"}}'),
        ("state", b'{"healthy":true,"troubles":[],"every":NaN}'),
        ("state", b'{"healthy":true,"troubles":["\\ud800"]}'),
        ("event/opened", b'{"seq":"1"}'),
        ("event/opened", b'{"job":"j","kind":"opened","data":{},"at":1e999,"journal":"j","seq":1,"after":0}'),
        ("event/opened", b'{"job":1,"kind":"opened","data":{},"at":0,"journal":"j","seq":1,"after":0}'),
        ("event/opened", b'{"job":"j","kind":"opened","data":[],"at":0,"journal":"j","seq":1,"after":0}'),
        ("event/opened", b'{"job":"j","kind":"opened","data":{},"at":0,"journal":"j","seq":null,"after":0}'),
        ("metric", b"{}"),
        ("cmd/hold", b"{}"),
    ],
)
def test_what_makes_no_sense_is_counted_and_dropped(street: Street, tail: str, payload: bytes) -> None:
    street.dashboard.take(Message(TOPIC + tail, payload), 0.0)
    assert street.dashboard.dropped == 1
    assert street.dashboard.jobs == {}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = (
    "status",
    "session",
    "healthy",
    "troubles",
    "jobs",
    "trip",
    "training",
    "every",
    "at",
    "job",
    "kind",
    "data",
    "seq",
)
bodies = st.fixed_dictionaries(
    {"journal": st.just("j"), "after": st.just(0)},
    optional=dict.fromkeys(NAMES, anything) | {"healthy": st.booleans()},
)
facts = st.dictionaries(st.sampled_from(["model", "number", "round", "stake", "paid", "credit", "reason"]), anything)
events = st.builds(
    lambda kind, data, seq: {"job": "j", "kind": kind, "data": data, "at": 1.0, "journal": "j", "seq": seq, "after": 0},
    st.sampled_from(["chosen", "accepted", "rejected", "closed", "x"]),
    facts,
    st.integers(),
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.lists(st.tuples(st.sampled_from(["status", "state", "event/x"]), bodies | events), max_size=4))
def test_whatever_a_hostile_vehicle_says_the_page_and_the_terminal_can_still_show_the_fleet(
    said: list[tuple[str, Any]],
) -> None:
    dashboard = Dashboard()
    for tail, body in said:
        dashboard.take(Message(TOPIC + tail, json.dumps(body).encode()), 0.0)
    json.loads(JSONResponse(dashboard.since(0)).body)
    Console(file=io.StringIO()).print(table(dashboard, 0.0))


def test_huge_and_strange_facts_are_bounded(street: Street) -> None:
    facts: dict[str, Any] = {"reason": "x" * 5000, "stake": 2**62, "samples": [1] * 1000, "paid": "lots", "model": 7}
    body = {"job": "j", "kind": "closed", "data": facts, "at": 1.0, "journal": "j", "seq": 1, "after": 0}
    street.dashboard.take(Message(TOPIC + "event/closed", json.dumps(body).encode()), 0.0)
    job = street.dashboard.jobs["north/car-1/j"]
    assert job.facts["stake"] == str(2**62)
    assert len(job.facts["reason"]) == 300
    assert job.facts["samples"] is None
    assert street.dashboard.vehicles["north/car-1"].paid == 0


def test_what_is_kept_is_bounded(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.dashboard.jobs.most = 5
    monkeypatch.setattr(board_room, "MAX_VEHICLES", 3)
    for number in range(5):
        street.car(f"car-{number}").live([("opened", {})] * 1)
    for number in range(9):
        street.car("car-0").live([("opened", {})], job=f"trip-{number}")
    street.look()
    assert len(street.dashboard.vehicles) == 3
    assert len(street.dashboard.jobs) == 5


def test_rounds_come_from_the_content_store_with_figure_ancestors_and_lineage(street: Street, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    cids = put_family(store, tmp_path / "made")
    street.car().live(honest(1, round_cid=cids[2])[:2])
    dashboard = street.look()
    wanted = [cids[2]]
    while wanted:
        read = read_round(store, wanted[0])
        assert read is not None
        dashboard.take_round(wanted.pop(), read)
        wanted = [c for c, card in dashboard.rounds.items() if card.figure is None]
    assert {(card.number, card.figure) for card in dashboard.rounds.values()} == {(0, "9.81"), (1, "7.42"), (2, "6.9")}
    assert dashboard.rounds[cids[2]].previous == cids[1]
    assert len(dashboard.rounds[cids[2]].fused) == 4
    assert dashboard.rounds[cids[0]].model == MODEL
    assert read_round(store, cid("nowhere")) is None
    assert read_round(store, "not a cid") is None
