"""The vehicle's figures on `metric`: numbers alone, every so often. The next message makes up for one that was lost."""

from __future__ import annotations

from collections.abc import Mapping

from agent.fleet.event_message import message, numbers
from agent.fleet.topics import VehicleTopics
from agent.ports import Clock, FleetLink


class Metric:
    """Not retained and QoS 0: an old figure is worth nothing, so none waits while the broker is away."""

    def __init__(self, link: FleetLink, topics: VehicleTopics, session: str, clock: Clock) -> None:
        self._link, self._topics, self._session, self._clock = link, topics, session, clock
        self._said_at = float("-inf")

    def say(self, figures: Mapping[str, object], every: float) -> None:
        """Say them once `every` seconds have passed; 0: never. Cheap to call every turn. `figures`: a number by name,
        or by name and label. What is no number, or is named like a place, does not leave the car."""
        now = self._clock.monotonic()
        if not every or now - self._said_at < every:
            return
        body = {"at": round(self._clock.now(), 3), "every": every, "session": self._session}
        if self._link.publish(message(self._topics.metric, {**body, "figures": numbers(figures)}), qos=0) is not None:
            self._said_at = now
