"""The configuration explained: the commented file of `milepost config init` and docs/configuration.md.

Both are made from agent.host.sections, so that they cannot say what the code does not do.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.host import sections
from agent.host.layers import variable
from agent.host.mistakes import classes

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyReference:
    """One key: what it means, what it may be, what it is when nobody says otherwise."""

    key: Key
    meaning: str
    kind: str
    default: Any
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file. `repeated`: an array of tables."""

    name: Key
    meaning: str
    entries: tuple[KeyReference, ...]
    repeated: bool = False
    optional: bool = False


def tables() -> list[Table]:
    """Every table, in the order of the file."""
    return [table for name, info in sections.Config.model_fields.items() for table in _tables((name,), _model(info))]


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)  # true, numbers and basic strings are the same in both


def commented_file() -> str:
    """milepost.toml with every key explained and nothing set."""
    lines = [
        "# Milepost's configuration. Every key is shown with its default; remove the # to change it.",
        "# Flag > environment (MILEPOST_MQTT__HOST) > this file > firmware profile > default.",
        "# `milepost config check` names the line of a mistake; `config show` says where a value comes from.",
    ]
    for table in tables():
        name = ".".join(table.name)
        header = f"[[{name}]]" if table.repeated else f"[{name}]"
        lines += ["", f"# {table.meaning}", f"# {header}" if table.optional or table.repeated else header]
        for entry in table.entries:
            example = '"…"' if entry.default is None else toml_value(entry.default)
            lines += [f"# {entry.meaning}", f"# {entry.key[-1]} = {example}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The tables of docs/configuration.md."""
    return "\n".join(line for table in tables() for line in _markdown(table))


def _markdown(table: Table) -> Iterator[str]:
    name = ".".join(table.name)
    yield f"## `[[{name}]]`" if table.repeated else f"## `[{name}]`"
    yield ""
    yield table.meaning
    yield ""
    yield "| key | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for entry in table.entries:
        default = "required" if entry.required else "–" if entry.default is None else f"`{toml_value(entry.default)}`"
        yield f"| `{entry.key[-1]}` | {entry.kind} | {default} | {entry.meaning} |"
    yield ""
    if not table.repeated:
        yield f"Environment: `{variable(table.entries[0].key)}`, and so on."
        yield ""


def _tables(name: Key, model: type[BaseModel], optional: bool = False) -> Iterator[Table]:
    own = {key: info for key, info in model.model_fields.items() if not _is_table(info)}
    entries = tuple(
        KeyReference(
            (*name, key),
            info.description or "",
            _kind(info),
            None if info.is_required() else info.default,
            info.is_required(),
        )
        for key, info in own.items()
    )
    yield Table(name, inspect.getdoc(model) or "", entries, optional=optional)
    for key, info in model.model_fields.items():
        if not _is_table(info):
            continue
        for inner in _tables((*name, key), _model(info), optional=True):
            repeated = get_origin(info.annotation) is tuple
            yield Table(inner.name, inner.meaning, inner.entries, repeated, inner.optional)


def _is_table(info: FieldInfo) -> bool:
    return any(issubclass(kind, BaseModel) for kind in classes(info.annotation))


def _model(info: FieldInfo) -> type[BaseModel]:
    return next(kind for kind in classes(info.annotation) if issubclass(kind, BaseModel))


def _kind(info: FieldInfo) -> str:
    """A key's type in words, with its bounds."""
    annotation = info.annotation
    bounds = [
        f"{word} {getattr(rule, attribute):g}"
        for rule in info.metadata
        for attribute, word in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if hasattr(rule, attribute)
    ]
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if any(get_origin(each) is Literal for each in get_args(annotation)):
        return " or ".join(_kind(FieldInfo.from_annotation(each)) for each in get_args(annotation))
    kinds = [kind for kind in classes(annotation) if kind is not NoneType]
    word = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", Path: "path"}[kinds[-1]]
    word = f"list of {word}s" if get_origin(annotation) is tuple else word
    return ", ".join([word, *bounds])


if __name__ == "__main__":
    print(markdown(), end="")
