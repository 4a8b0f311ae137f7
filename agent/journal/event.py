"""One thing that happened."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, Union

from agent.errors import Malformed

JSON: TypeAlias = Union[bool, int, float, str, list["JSON"], dict[str, "JSON"], None]  # noqa: UP007  (3.10)

MAX_NAME = 200
MAX_DATA = 256 * 1024
"""Bytes of JSON. The largest honest event is a choice among a few hundred offers, or a signed envelope of 100
operations: both stay under 128 KiB."""


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` counts from 1 without gaps or repeats; `at` is seconds since the epoch by the car's own clock,
    for people: nothing is decided by it."""

    seq: int
    job: str
    kind: str
    data: dict[str, JSON]
    at: float


def checksum(*parts: str | float) -> int:
    """Of what one row says. A card that rots changes a byte and tells nobody: SQLite does not look."""
    return zlib.crc32("\0".join(map(str, parts)).encode())


def decoded(seq: object, job: object, kind: object, text: object, at: object, crc: object) -> Event:
    """A row of the table as an event. `crc`: None in a journal of an older agent, which has none. Raises ValueError."""
    if not (isinstance(job, str) and isinstance(kind, str) and isinstance(text, str) and isinstance(at, float)):
        raise ValueError(f"event {seq} is of another type")
    if crc is not None and crc != checksum(job, kind, text, at):
        raise ValueError(f"event {seq} is not as it was written")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"event {seq} is not JSON") from None
    if not isinstance(seq, int) or not isinstance(data, dict):
        raise ValueError(f"event {seq} holds no facts")
    return Event(seq, job, kind, data, at)


def encoded(job: str, kind: str, data: Mapping[str, JSON]) -> str:
    """The data as it is stored. Raises Malformed for what is not JSON or is out of bounds."""
    if not (0 < len(job) <= MAX_NAME and 0 < len(kind) <= MAX_NAME):
        raise Malformed(what="a journal event", why=f"job and kind are 1 to {MAX_NAME} characters")
    try:
        text = json.dumps(dict(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
        f"{job}{kind}".encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(what=f"the journal event {kind}", why=str(error)[:200]) from None
    if len(text) > MAX_DATA:
        raise Malformed(what=f"the journal event {kind}", why=f"{len(text)} bytes, at most {MAX_DATA} are kept")
    return text
