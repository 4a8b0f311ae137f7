"""Online, healthy and fresh are three different words."""

from __future__ import annotations

import json
from typing import Any

from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.status import EVERY, Presence, last_will
from agent.fleet.topics import VehicleTopics, whole_fleet
from agent.host.clock import ManualClock

TOPICS = VehicleTopics("north", "car")


class Street:
    def __init__(self) -> None:
        self.broker, self.clock = LoopbackBroker(), ManualClock()
        self.page = LoopbackLink(self.broker, whole_fleet())
        self.link = LoopbackLink(self.broker, will=last_will(TOPICS, "s1"))
        self.presence = Presence(self.link, TOPICS, "s1", self.clock)

    def heard(self) -> list[Any]:
        return [json.loads(message.payload) for message in self.page.receive()]


def test_a_vehicle_is_online_until_it_stops_or_vanishes_and_each_is_told_apart() -> None:
    street = Street()
    street.presence.online()
    street.presence.stopped()
    street.broker.cut(street.link)
    assert [(said["status"], said["session"]) for said in street.heard()] == [
        ("online", "s1"),
        ("stopped", "s1"),
        ("offline", "s1"),
    ]


def test_the_state_is_said_when_it_changes_or_when_it_is_time() -> None:
    street = Street()
    for seconds in (0.0, 2.0, 2.0):
        street.clock.sleep(seconds)
        street.presence.state(True, [], {"job": "trip-1"})
    street.clock.sleep(2)
    street.presence.state(False, ["No fix from gpsd for 60 s."], {"job": "trip-1"})
    street.clock.sleep(EVERY)
    street.presence.state(False, ["No fix from gpsd for 60 s."], {"job": "trip-1"})
    heard = street.heard()
    assert [said["healthy"] for said in heard] == [True, False, False]
    assert heard[0]["every"] == EVERY
    assert heard[2]["at"] - heard[1]["at"] == EVERY


def test_a_state_that_flutters_is_said_once_a_second_at_most() -> None:
    street = Street()
    for number in range(100):
        street.clock.sleep(0.1)
        street.presence.state(number % 2 == 0, [], {})
    assert 9 <= len(street.heard()) <= 11


def test_metres_and_steps_wait_for_the_next_minute() -> None:
    street = Street()
    for number in range(121):
        street.presence.state(
            True, [], {"trip": {"phase": "driving", "metres": 10 * number}, "jobs": [{"steps": number}]}
        )
        street.clock.sleep(1)
    assert [said["trip"]["metres"] for said in street.heard()] == [0, 600, 1200]


def test_no_position_stands_in_the_state() -> None:
    street = Street()
    street.presence.state(True, [], {"position": {"latitude_deg": 48.1}})
    assert street.heard()[0]["position"] == "withheld"
