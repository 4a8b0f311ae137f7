"""Events as they stand in the journal and on MQTT, and back: one JSON object each.

Rules
  1. A field that is a dataclass itself is written flat, its fields among the event's own; none, and nothing is written.
  2. Any other field is written under its name, or the one that `written` gives it. One whose default is None is written
     only where there is something to say.
  3. What an older agent did not write gets the class's default. What the class does not know is passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from agent.core.jobs.fold import Event, Table
from agent.errors import Malformed
from agent.journal.event import JSON


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    written: str
    inner: type | None
    """The dataclass that is written flat."""
    may_lack: bool


def encode(event: Event) -> dict[str, JSON]:
    """What is written down of an event, beside its kind."""
    return _written(event)


def decode(table: Table[Any, Any], name: str, data: Mapping[str, Any]) -> Event:
    """The event of this kind with this data, as it was written. Raises Malformed for what `table` knows nothing of, and
    for data that is not the event's."""
    event: Any = table.kinds.get(name)
    if event is None:
        raise Malformed(what=f"the event {name[:80]}", why="this program knows of none that is called so")
    try:
        made = _adapter(event).validate_python(_nested(event, data))
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, mistake["loc"]))
        raise Malformed(what=f"the event {name}", why=f"{where}: {mistake['msg']}"[:200]) from None
    assert isinstance(made, Event)  # noqa: S101  (by its adapter)
    return made


def names(event: Any) -> tuple[str, ...]:
    """What is written of an event's class, in the order of its fields."""
    return tuple(name for f in _fields(event) for name in (names(f.inner) if f.inner else (f.written,)))


@lru_cache
def _adapter(event: Any) -> TypeAdapter[Event]:
    return TypeAdapter(event)


@lru_cache
def _fields(form: Any) -> tuple[_Field, ...]:
    hints = get_type_hints(form)
    return tuple(
        _Field(f.name, f.metadata.get("written", f.name), _inner(hints[f.name]), f.default is None)
        for f in dataclasses.fields(form)
    )


def _inner(hint: Any) -> type | None:
    """The dataclass that a field holds, or may hold."""
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((each for each in choices if isinstance(each, type) and dataclasses.is_dataclass(each)), None)


def _written(part: Any) -> dict[str, JSON]:
    written: dict[str, JSON] = {}
    form: Any = type(part)
    for f in _fields(form):
        value = getattr(part, f.name)
        if value is None and f.may_lack:
            continue
        if f.inner is not None:
            written |= _written(value)
        else:
            written[f.written] = list(value) if isinstance(value, tuple) else value
    return written


def _nested(form: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as the class has it, without what is not there."""
    made: dict[str, Any] = {}
    for f in _fields(form):
        if f.inner is None:
            if f.written in data:
                made[f.name] = data[f.written]
        elif not f.may_lack or names(f.inner)[0] in data:
            made[f.name] = _nested(f.inner, data)
    return made
