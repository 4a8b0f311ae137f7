"""Events as they stand in the journal and on MQTT, and back: one JSON object each (`core.jobs.written`).

Rules
  1. A field whose default is None is written only where there is something to say; of a dataclass within, all or none.
  2. What an older agent did not write gets the class's default, or None where that may be. What the class does not
     know is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from agent.core.jobs.fold import AnyTable, Event
from agent.core.jobs.written import fields, names
from agent.errors import Malformed
from agent.journal.event import JSON
from agent.sentences import first_mistake


def encode(event: Event) -> dict[str, JSON]:
    """What is written down of an event, beside its kind."""
    return _written(event)


def decode(table: AnyTable, name: str, data: Mapping[str, object]) -> Event:
    """The event of this kind with this data, as it was written. Raises Malformed for what `table` knows nothing of, and
    for data that is not the event's."""
    event: type | None = table.kinds.get(name)
    if event is None:
        raise Malformed(what=f"the event {name[:80]}", why="this program knows of none that is called so")
    try:
        made = _adapter(event).validate_python(_nested(event, data))
    except ValidationError as error:
        raise Malformed(what=f"the event {name}", why=first_mistake(error)[:200]) from None
    assert isinstance(made, Event)  # noqa: S101  (by its adapter)
    return made


@lru_cache
def _adapter(event: type) -> TypeAdapter[Event]:
    return TypeAdapter(event)


def _written(part: object) -> dict[str, JSON]:
    written: dict[str, JSON] = {}
    form: type = type(part)  # mypy does not see that `type[object]` can be hashed
    for f in fields(form):
        value = getattr(part, f.name)
        if value is None and f.may_lack:
            continue
        if f.inner is not None:
            written |= _written(value)
        else:
            written[f.written] = list(value) if isinstance(value, tuple) else value
    return written


def _nested(form: type, data: Mapping[str, object]) -> dict[str, object]:
    """`data` as the class has it, without what is not there."""
    made: dict[str, object] = {}
    for f in fields(form):
        if f.inner is None:
            if f.written in data or f.may_be_none:
                made[f.name] = data.get(f.written)
        elif not f.may_lack or names(f.inner)[0] in data:
            made[f.name] = _nested(f.inner, data)
    return made
