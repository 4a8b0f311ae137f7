"""What leaves the car: messages as the fleet sees them, without what is nobody else's business."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent.core import redact
from agent.core.plain import plain
from agent.fleet.topics import VehicleTopics
from agent.ports import Message

MAX_TEXT = 1000
MAX_DATA = 32 * 1024
MAX_DEPTH = 6
WITHHELD = "withheld"

_PLACES = "lat|latitude|lon|lng|longitude|alt|altitude|heading|position|location|gps|geofence|route|place"
_SECRETS = "secret|seed|key|keys|token|password|credential|passphrase|envelope|xdr|frame|image|label|path"
_PLACE_NAME = re.compile(f"(^|_)({_PLACES})(_|$)", re.IGNORECASE)
_PRIVATE_NAME = re.compile(f"(^|_)({_PLACES}|{_SECRETS})(_|$)", re.IGNORECASE)
_SECRET_SEED = re.compile(r"S[A-Z2-7]{55}")
_COORDINATES = re.compile(r"-?\d{1,2}\.\d{4,}\s*[,; ]\s*-?\d{1,3}\.\d{4,}")


class Happened(Protocol):
    """One event, as the journal tells it."""

    @property
    def seq(self) -> int: ...
    @property
    def job(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, object]: ...
    @property
    def at(self) -> float: ...


@dataclass(frozen=True, slots=True)
class EventMessage:
    """A topic and a JSON object for it."""

    topic: str
    body: Mapping[str, object]


def describer(topics: VehicleTopics) -> Callable[[Happened], EventMessage | None]:
    """How this vehicle's events look to its fleet. For `Outbox(journal, link, describer(topics))`."""

    def describe(event: Happened) -> EventMessage | None:
        data = redacted(event.data)
        if len(json.dumps(data)) > MAX_DATA:
            data = {"withheld": f"more than {MAX_DATA} bytes"}
        body = {"job": event.job, "kind": event.kind, "at": round(event.at, 3), "data": data}
        return EventMessage(topics.event(level(event.kind)), body)

    return describe


def level(kind: str) -> str:
    """An event's kind as one level of a topic."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "-", kind)[:64]


def message(topic: str, body: Mapping[str, object], retain: bool = False) -> Message:
    """A JSON object as it is sent: compact, its names in order."""
    return Message(topic, json.dumps(body, sort_keys=True, separators=(",", ":")).encode(), retain)


def numbers(figures: Mapping[str, object]) -> dict[str, Any]:
    """Figures by name, or by name and label: finite numbers alone, and none whose name is a place's."""
    kept: dict[str, Any] = {}
    for name, value in figures.items():
        if _PLACE_NAME.search(name):
            continue
        if isinstance(value, Mapping):
            kept[name] = numbers(value)
        elif isinstance(value, int | float) and math.isfinite(value):
            kept[name] = int(value) if value == int(value) else round(value, 3)
    return kept


def redacted(value: Any, depth: int = 0) -> Any:
    """The same JSON without positions and secrets. The journal holds none by law; this is the second lock. Names
    decide first, then texts: a secret seed or a pair of coordinates never passes, wherever it stands, and what else
    looks like a secret is taken out."""
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return WITHHELD
        return {
            str(name)[:MAX_TEXT]: WITHHELD if _PRIVATE_NAME.search(str(name)) else redacted(inner, depth + 1)
            for name, inner in value.items()
            if not _is_private(str(name))
        }
    if isinstance(value, list | tuple):
        return WITHHELD if depth >= MAX_DEPTH else [redacted(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        return WITHHELD if _is_private(value) else redact.text(plain(value))[:MAX_TEXT]
    return value


def _is_private(text: str) -> bool:
    return bool(_SECRET_SEED.search(text) or _COORDINATES.search(text))
