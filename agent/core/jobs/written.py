"""How an event's dataclass stands in the journal and on MQTT: as one flat JSON object.

A field that is a dataclass itself is written flat, its fields among the event's own. Any other is written under its
name, or under another one where its metadata says `written`.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import get_args, get_origin, get_type_hints


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    name: str
    written: str
    inner: type | None
    """The dataclass that is written flat."""
    is_list: bool
    may_lack: bool
    """Its default is None: then it is not written."""
    may_be_none: bool
    """It has no default, and None is one of its values."""


@lru_cache
def fields(form: type) -> tuple[Field, ...]:
    """Of a dataclass."""
    hints = get_type_hints(form)
    return tuple(
        Field(
            name=f.name,
            written=f.metadata.get("written", f.name),
            inner=_inner(hints[f.name]),
            is_list=get_origin(hints[f.name]) is tuple,
            may_lack=f.default is None,
            may_be_none=f.default is dataclasses.MISSING and type(None) in get_args(hints[f.name]),
        )
        for f in dataclasses.fields(form)
    )


def names(form: type, *, lists: bool = True) -> tuple[str, ...]:
    """What is written of a dataclass, in the order of its fields; without those that are `lists`, if one likes."""
    return tuple(
        name
        for f in fields(form)
        if lists or not f.is_list
        for name in (names(f.inner, lists=lists) if f.inner else (f.written,))
    )


def _inner(hint: object) -> type | None:
    """The dataclass that a field holds, or may hold."""
    choices = () if get_origin(hint) is tuple else (hint, *get_args(hint))
    return next((each for each in choices if isinstance(each, type) and dataclasses.is_dataclass(each)), None)
