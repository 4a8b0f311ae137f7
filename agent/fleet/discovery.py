"""Home Assistant finds the vehicle by itself: one device, its entities read from `status`, `state` and `metric`.

The form is that of device discovery, `{prefix}/device/{object id}/config`, retained; an empty message takes it back
(home-assistant.io/integrations/mqtt, "Device discovery payload").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.core.jobs.contribution import JobState
from agent.errors import ConfigError
from agent.fleet.commands import ReplyStore
from agent.fleet.event_message import message
from agent.fleet.status import EVERY, ONLINE
from agent.fleet.topics import VehicleTopics
from agent.ports import FleetLink, Message

NOTE = "discovery"
"""The journal's note that holds every topic on which the vehicle was ever announced."""
PATIENCE = 2.5
"""Times the interval that was promised, after which Home Assistant takes a figure for unknown."""


class NotDiscoverable(ConfigError):
    """Home Assistant takes letters, digits, _ and - in a discovery topic, and agent.id is {vehicle!r}. Choose another
    id, or leave mqtt.discovery empty."""


@dataclass(frozen=True, slots=True)
class Entity:
    """`template` takes it out of a message on `channel`. `options` as Home Assistant names them."""

    title: str
    channel: Literal["state", "metric"]
    template: str
    platform: Literal["sensor", "binary_sensor"] = "sensor"
    options: Mapping[str, Any] = field(default_factory=dict)


def _figure(name: str) -> str:
    return f"{{{{ value_json.figures.{name} | default(none) }}}}"


def _outcome(name: str) -> str:
    return f"{{{{ (value_json.figures.entries_total | default({{}})).{name} | default(0) }}}}"


_DIAGNOSTIC = {"entity_category": "diagnostic"}
_NOW, _COUNT = {"state_class": "measurement"}, {"state_class": "total_increasing"}

ENTITIES: Mapping[str, Entity] = {
    "problem": Entity(
        "Problem",
        "state",
        "{{ 'OFF' if value_json.healthy else 'ON' }}",
        "binary_sensor",
        {"device_class": "problem"},
    ),
    "trouble": Entity("Trouble", "state", "{{ (value_json.troubles | first | default('none'))[:255] }}"),
    "trip": Entity("Trip", "state", "{{ value_json.trip.phase }}"),
    "job": Entity(
        "Job",
        "state",
        "{{ value_json.jobs[-1].state if value_json.jobs else 'none' }}",
        options={"device_class": "enum", "options": [state.value for state in JobState]},
    ),
    "samples": Entity(
        "Samples", "state", "{{ value_json.training.samples if value_json.training else 0 }}", options=_NOW
    ),
    "held": Entity(
        "Held",
        "metric",
        "{{ 'ON' if (value_json.figures.gate_closed | default({})).hold else 'OFF' }}",
        "binary_sensor",
    ),
    "travelled": Entity(
        "Travelled",
        "metric",
        _figure("travelled_metres_total"),
        options={
            **_COUNT,
            "device_class": "distance",
            "unit_of_measurement": "m",
            "suggested_unit_of_measurement": "km",
        },
    ),
    "steps": Entity("Training steps", "metric", _figure("training_steps_total"), options=_COUNT),
    "accepted": Entity("Accepted", "metric", _outcome("accepted"), options=_COUNT),
    "rejected": Entity("Rejected", "metric", _outcome("rejected"), options=_COUNT),
    "paid": Entity(
        "Paid",
        "metric",
        "{{ (value_json.figures.paid_stroops_total | default(0)) / 10000000 }}",
        options={**_COUNT, "unit_of_measurement": "XLM"},
    ),
    "temperature": Entity(
        "Temperature",
        "metric",
        _figure("temperature_celsius"),
        options={**_NOW, **_DIAGNOSTIC, "device_class": "temperature", "unit_of_measurement": "°C"},
    ),
    "disk": Entity(
        "Disk free",
        "metric",
        _figure("disk_free_bytes"),
        options={
            **_NOW,
            **_DIAGNOSTIC,
            "device_class": "data_size",
            "unit_of_measurement": "B",
            "suggested_unit_of_measurement": "GB",
        },
    ),
    "odometer": Entity(
        "Odometer silent",
        "metric",
        _figure("odometer_age_seconds"),
        options={**_NOW, **_DIAGNOSTIC, "device_class": "duration", "unit_of_measurement": "s"},
    ),
}


class Discovery:
    """Announces the vehicle under `prefix`, and takes back what was announced elsewhere before; '' announces nothing.
    Raises NotDiscoverable."""

    def __init__(
        self, link: FleetLink, topics: VehicleTopics, memory: ReplyStore, prefix: str, software: str, profile: str
    ) -> None:
        if prefix and not re.fullmatch(r"[A-Za-z0-9_-]+", topics.vehicle):
            raise NotDiscoverable(vehicle=topics.vehicle)
        self._link, self._topics, self._software, self._profile = link, topics, software, profile
        self._topic = f"{prefix}/device/{topics.vehicle}/config" if prefix else ""
        announced: list[str] = json.loads(memory.note(NOTE) or "[]")
        self._former = [topic for topic in announced if topic != self._topic]
        if self._topic and self._topic not in announced:  # before it is announced: a retained message is not forgotten
            memory.remember(NOTE, json.dumps([*self._former, self._topic]))

    def announce(self, metric_s: float) -> None:
        """Say it; saying it twice does no harm. `metric_s`: the interval of `metric`, 0 where it is not said at all."""
        for topic in self._former:
            self._link.publish(Message(topic, b"", retain=True))
        if self._topic:
            self._link.publish(message(self._topic, self._device(metric_s), retain=True))

    def _device(self, metric_s: float) -> dict[str, Any]:
        name = f"milepost_{self._topics.fleet}_{self._topics.vehicle}"
        every = {"state": EVERY, "metric": metric_s}
        said_in = {"state": self._topics.state, "metric": self._topics.metric}
        return {
            "device": {
                "identifiers": [name],
                "name": self._topics.vehicle,
                "manufacturer": "Milepost",
                "model": self._profile,
                "sw_version": self._software,
            },
            "origin": {"name": "milepost", "sw_version": self._software},
            "availability": [
                {
                    "topic": self._topics.status,
                    "value_template": f"{{{{ 'online' if value_json.status == '{ONLINE}' else 'offline' }}}}",
                }
            ],
            "components": {
                key: {
                    "platform": entity.platform,
                    "unique_id": f"{name}_{key}",
                    "name": entity.title,
                    "state_topic": said_in[entity.channel],
                    "value_template": entity.template,
                    "expire_after": round(PATIENCE * every[entity.channel]),
                    **entity.options,
                }
                for key, entity in ENTITIES.items()
                if every[entity.channel]
            },
        }
