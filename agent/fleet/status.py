"""Three different words. Online: the broker has the vehicle's word that it runs, and no last will. Healthy: it says
itself that nothing is wrong. Fresh: what it says is not older than it promised to say it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.fleet.event_message import message, redacted
from agent.fleet.topics import VehicleTopics
from agent.ports import Clock, FleetLink, Message

ONLINE, STOPPED, OFFLINE = "online", "stopped", "offline"
EVERY = 60.0
"""Seconds after which the state is said again, changed or not. Metres and steps, which creep, wait for it."""
SOONEST = 1.0
"""Seconds between two states, however much changes."""


def last_will(topics: VehicleTopics, session: str) -> Message:
    """What the broker says for a vehicle that went without a goodbye. `session` tells an old will from a new life."""
    return message(topics.status, {"status": OFFLINE, "session": session}, retain=True)


class Presence:
    """Keeps the vehicle's two retained topics, `status` and `state`, true."""

    def __init__(self, link: FleetLink, topics: VehicleTopics, session: str, clock: Clock) -> None:
        self._link, self._topics, self._session, self._clock = link, topics, session, clock
        self._said: Any = None
        """The last state, without its numbers."""
        self._said_at = 0.0

    def online(self) -> None:
        """Say so once, after the link is made; the link says it again after each connection."""
        self._say(ONLINE)

    def stopped(self) -> None:
        """Going on purpose: nobody need worry. Before `link.close()`."""
        self._say(STOPPED)

    def state(self, healthy: bool, troubles: list[str], facts: Mapping[str, object]) -> None:
        """Say how the vehicle stands, when more than numbers changed or it is time; cheap to call every turn.
        `troubles` are sentences, `facts` what else the page shows: account, trip, jobs, training, software, profile."""
        now = self._clock.monotonic()
        state = {"healthy": healthy, "troubles": redacted(troubles[:10]), **redacted(facts)}
        age, words = now - self._said_at, _without_numbers(state)
        if self._said is not None and (age < SOONEST or (words == self._said and age < EVERY)):
            return
        body = {**state, "session": self._session, "at": round(self._clock.now(), 3), "every": EVERY}
        if self._link.publish(message(self._topics.state, body, retain=True)) is not None:
            self._said, self._said_at = words, now

    def _say(self, status: str) -> None:
        body = {"status": status, "session": self._session, "at": round(self._clock.now(), 3)}
        self._link.publish(message(self._topics.status, body, retain=True))


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_numbers(inner) for inner in value]
    return value if isinstance(value, bool) or not isinstance(value, (int, float)) else 0
