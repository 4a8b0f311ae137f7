"""A fleet that speaks to a board or a page through the real outbox and presence, over the loopback broker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from agent.fleet.event_message import describer
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence, last_will
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from tests.fleet.page.family import MODEL, cid
from tools.simulation.vehicle import MemoryLog

UNIT = 10_000_000


def tx(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def honest(number: int, round_cid: str = cid("round-0"), credit: int = UNIT // 2) -> list[tuple[str, dict[str, Any]]]:
    """A job from its trip to its pay. Every fifth car finds the round worse than the one before on its own roads."""
    shadow = {"shadow": 8.25, "shadow_last": 7.5 if number % 5 == 0 else 9.0, "shadow_worse": number % 5 == 0}
    return [
        ("opened", {"metres": 1200}),
        ("chosen", {"round": round_cid, "number": 0, "model": MODEL, "reward": 10 * UNIT, "stake": 5 * UNIT}),
        ("fetched", {}),
        ("arrived", {"reason": "standstill", "metres": 3400}),
        ("trained", {"samples": 410, "steps": 100, "held_back": 3.2, **shadow}),
        ("stored", {"contribution": cid(f"contribution-{number}")}),
        ("signed", {"envelope": "AAAA", "hash": tx(f"entry-{number}"), "stake": 5 * UNIT}),
        ("entered", {"ledger": 12}),
        (
            "accepted",
            {"credit": credit, "returned": 49 * UNIT // 10, "settlement": tx(f"settled-{number}"), "reason": ""},
        ),
        ("closing", {"envelope": "BBBB", "hash": tx(f"closing-{number}")}),
        ("closed", {"paid": credit * 10}),
    ]


def hostile(number: int) -> list[tuple[str, dict[str, Any]]]:
    reason = "the loss is 1.31 times the base's"
    verdict = ("rejected", {"credit": 0, "returned": 0, "settlement": tx(f"s{number}"), "reason": reason})
    return [*honest(number)[:8], verdict, ("closed", {"paid": 0})]


class Car:
    def __init__(self, broker: LoopbackBroker, clock: ManualClock, name: str, fleet: str = "north") -> None:
        self.topics = VehicleTopics(fleet, name)
        self.link = LoopbackLink(broker, will=last_will(self.topics, f"session-{name}"))
        self.log, self.clock = MemoryLog(), clock
        self.presence = Presence(self.link, self.topics, f"session-{name}", clock)
        self.outbox = Outbox(self.log, self.link, describer(self.topics))
        self.presence.online()

    def live(self, events: Sequence[tuple[str, dict[str, Any]]], job: str = "trip-000001") -> None:
        for kind, data in events:
            self.log.append(job, kind, data, self.clock.now())
        while self.outbox.pump():
            pass

    def say(self, *troubles: str) -> None:
        self.presence.state(not troubles, list(troubles), {"software": "0.1.0", "profile": "x86-cpu", "jobs": []})
