"""Signals over MQTT: VSS paths as topics, `Vehicle.Speed` as `{prefix}/Vehicle/Speed`.

A payload is a JSON value, or an object with it under `value`. The link is subscribed by whoever composes
the agent; this only reads what arrives.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.ports import Message, Reading
from agent.sense import vss

LONGEST = 1024
"""Bytes of a payload: a number needs 20."""

SILENCE_S = 30.0
"""Senders that speak on change are silent at a standstill, so a pause is normal for a while."""

TOGETHER_S = 2.0
"""A latitude and a longitude this close in time are one position."""


class Subscription(Protocol):
    """The part of agent.ports.FleetLink that an odometer needs. It tells of messages by a `Wake` of its own."""

    @property
    def connected(self) -> bool: ...

    def receive(self) -> Sequence[Message]:
        """Messages since the last call. Never waits."""


class MqttOdometer:
    """Readings from the topics below `prefix`. Messages on other topics are none of its business. `distance_m`: what
    a one of `Vehicle.TraveledDistance` is worth in metres."""

    def __init__(
        self,
        link: Subscription,
        prefix: str = "vss",
        now: Callable[[], float] = time.monotonic,
        distance_m: float = 1.0,
    ) -> None:
        self._link, self._now, self._distance_m = link, now, distance_m
        self._paths = {f"{prefix}/{path.replace('.', '/')}": path for path in vss.SIGNALS}
        self._heard_at = now()
        self._latitude: tuple[float, float] | None = None
        self.refused = 0
        """Payloads that were too long, no JSON, or no value of their signal."""

    def __repr__(self) -> str:
        return f"<MqttOdometer refused={self.refused} trouble={self.trouble!r}>"

    pause_s = math.inf

    @property
    def topics(self) -> tuple[str, ...]:
        """What has to be subscribed."""
        return tuple(self._paths)

    @property
    def trouble(self) -> str | None:
        if not self._link.connected:
            return "The broker that carries the car's signals is away. Trips cannot start by MQTT meanwhile."
        if self._now() - self._heard_at < SILENCE_S:
            return None
        return (
            f"No signal of the car over MQTT for {SILENCE_S:.0f} s ({self.refused} refused). "
            "Trips cannot start by MQTT. Check the sender and the topic prefix."
        )

    def poll(self) -> Sequence[Reading]:
        readings = []
        for message in self._link.receive():
            path = self._paths.get(message.topic)
            if path is None:
                continue
            value = vss.value(path, _payload(message.payload))
            if value is None:
                self.refused += 1
                continue
            self._heard_at = self._now()
            if path == vss.TRAVELLED:
                value *= self._distance_m
            readings += self._reading(path, value)
        return readings

    def _reading(self, path: str, value: float | bool) -> list[Reading]:
        t = self._heard_at
        if path == vss.LATITUDE:
            self._latitude = (value, t)
            return []
        if path != vss.LONGITUDE:
            return [vss.reading(t, {path: value})]
        latitude, since = self._latitude or (0.0, -TOGETHER_S)
        if self._latitude is None or t - since > TOGETHER_S:
            return []
        return [vss.reading(t, {vss.LATITUDE: latitude, vss.LONGITUDE: value})]

    def close(self) -> None:
        """The link belongs to whoever made it."""


def _payload(payload: bytes) -> object:
    if len(payload) > LONGEST:
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value.get("value") if isinstance(value, dict) else value
