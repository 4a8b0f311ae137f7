"""Figures leave the car as numbers, every so often, and nothing else does."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.fleet.event_message import numbers
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.metric import Metric
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from agent.host.metrics import METRICS

TOPICS = VehicleTopics("north", "car")


class Street:
    def __init__(self) -> None:
        self.broker, self.clock = LoopbackBroker(), ManualClock()
        self.ears = LoopbackLink(self.broker, [TOPICS.metric])
        self.metric = Metric(LoopbackLink(self.broker), TOPICS, "s1", self.clock)

    def heard(self) -> list[Any]:
        return [json.loads(message.payload) for message in self.ears.receive()]


def test_figures_are_said_once_an_interval_with_when_and_how_often() -> None:
    street = Street()
    for _ in range(200):
        street.metric.say({"temperature_celsius": 61.23456, "gate_closed": {"hold": 0.0}}, every=60)
        street.clock.sleep(1)
    heard = street.heard()
    assert len(heard) == 4
    assert heard[0]["figures"] == {"temperature_celsius": 61.235, "gate_closed": {"hold": 0}}
    assert (heard[0]["every"], heard[0]["session"]) == (60, "s1")
    assert heard[1]["at"] - heard[0]["at"] == 60


def test_an_interval_of_nothing_is_silence() -> None:
    street = Street()
    street.metric.say({"temperature_celsius": 61}, every=0)
    assert street.heard() == []


def test_old_figures_do_not_queue_up_while_the_broker_is_away() -> None:
    street = Street()
    street.broker.stop()
    for _ in range(10):
        street.clock.sleep(60)
        street.metric.say({"temperature_celsius": 61}, every=60)
    street.broker.start()
    assert street.heard() == []
    street.metric.say({"temperature_celsius": 62}, every=60)
    assert [said["figures"] for said in street.heard()] == [{"temperature_celsius": 62}]


def test_a_late_listener_is_not_told_old_figures() -> None:
    street = Street()
    street.metric.say({"temperature_celsius": 61}, every=60)
    assert LoopbackLink(street.broker, [TOPICS.metric]).receive() == []


def test_no_place_and_nothing_but_numbers_leaves_the_car() -> None:
    figures = {
        "latitude_deg": 48.1,
        "trip": {"longitude": 11.5, "lat": 1, "n": 1},
        "why": "x",
        "frame": b"\xff",
        "no": None,
    }
    assert numbers(figures) == {"trip": {"n": 1}}


def test_every_metric_that_is_explained_may_leave_and_none_is_a_place() -> None:
    assert set(numbers(dict.fromkeys(METRICS, 1.0))) == set(METRICS)


@given(st.dictionaries(st.text(), st.floats() | st.integers() | st.booleans() | st.text() | st.none()))
def test_whatever_is_measured_what_is_sent_is_json(figures: dict[str, Any]) -> None:
    for value in json.loads(json.dumps(numbers(figures), allow_nan=False)).values():
        assert math.isfinite(value)
