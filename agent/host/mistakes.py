"""A mistake in the settings as one sentence: where it stands, what is wrong, and the nearest right name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.errors import ConfigError
from agent.host.layers import Layer, highest
from agent.sentences import nearest, what_is_wrong
from agent.toml import Key


class WrongSetting(ConfigError):
    """{where}: {why}"""


def explain(error: ValidationError, model: type[BaseModel], layers: Sequence[Layer]) -> WrongSetting:
    """The first mistake, at the place where it was made. Never repeats the value: it could be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = tuple(str(part) for part in first["loc"] if not isinstance(part, int))
    while key and highest(layers, key) is None:  # a missing key, or the branch of a union: show its table
        key = key[:-1]
    layer = highest(layers, key) if key else layers[0]
    where = layer.where(key) if layer else "the configuration"
    if first["type"] == "extra_forbidden":
        return WrongSetting(where=where, why=_unknown(key, model))
    name = ".".join(str(part) for part in first["loc"])
    why = what_is_wrong(first["msg"]).rstrip(".")
    return WrongSetting(where=where, why=f"{name} cannot be used: {why[:1].lower()}{why[1:]}.")


def _unknown(key: Key, model: type[BaseModel]) -> str:
    *tables, name = key
    known = list(keys_of(model, tables))
    what = f"unknown key '{name}' in [{'.'.join(tables)}]." if tables else f"unknown section [{name}]."
    if near := nearest(name, known):
        return f"{what} Did you mean '{near}'?"
    if homes := [section for section in model.model_fields if name in keys_of(model, [section])]:
        return f"{what} Did you mean '{name}' in [{homes[0]}]?"
    return f"{what} Known here: {', '.join(known)}."


def keys_of(model: type[BaseModel], tables: Sequence[str]) -> Iterator[str]:
    """The keys that a table of the model may hold, none where there is no such table."""
    for part in tables:
        field = model.model_fields.get(part)
        nested = [kind for kind in classes(field.annotation if field else None) if issubclass(kind, BaseModel)]
        if not nested:
            return
        model = nested[0]
    yield from model.model_fields


def classes(annotation: Any) -> Iterator[type]:
    """The classes in an annotation such as `Tls | None` or `tuple[Geofence, ...]`; of a NewType, what it is made of."""
    annotation = getattr(annotation, "__supertype__", annotation)
    if isinstance(annotation, type):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from classes(inner)
