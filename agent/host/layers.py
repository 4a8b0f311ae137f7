"""Layers of settings: nested dicts laid over one another, each knowing where its keys were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.toml import Key, TomlDocument

PREFIX = "MILEPOST_"


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings. `document` knows the lines, where the source is a file."""

    name: str
    values: Mapping[str, Any]
    document: TomlDocument | None = None

    def where(self, key: Key) -> str:
        """Where a key was written, in words."""
        if self.document:
            return f"{self.document.path}, line {self.document.line(key)}"
        if self.name == "environment":
            return f"environment variable {variable(key)}"
        return f"{self.name} {'.'.join(key)}"

    def has(self, key: Key) -> bool:
        value: Any = self.values
        for part in key:
            if not isinstance(value, Mapping) or part not in value:
                return False
            value = value[part]
        return True


def from_environment(environ: Mapping[str, str]) -> Layer:
    """MILEPOST_MQTT__TLS__CA is mqtt.tls.ca. A variable without `__`, like MILEPOST_CONFIG, is no setting."""
    names = [name for name in environ if name.startswith(PREFIX) and "__" in name]
    dotted = {name[len(PREFIX) :].lower().replace("__", "."): environ[name] for name in names}
    return Layer("environment", nest(dotted))


def variable(key: Key) -> str:
    """The environment variable of a key."""
    return f"{PREFIX}{'__'.join(key).upper()}"


def nest(dotted: Mapping[str, object]) -> dict[str, Any]:
    """{"mqtt.host": x} as {"mqtt": {"host": x}}."""
    nested: dict[str, Any] = {}
    for name, value in sorted(dotted.items()):
        *tables, key = name.split(".")
        table = nested
        for part in tables:
            if not isinstance(table.get(part), dict):
                table[part] = {}
            table = table[part]
        table[key] = value
    return nested


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """All layers in one, the later above the earlier; tables are joined, everything else is replaced."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _lay_over(merged, layer.values)
    return merged


def highest(layers: Iterable[Layer], key: Key) -> Layer | None:
    """The layer whose value for a key counts."""
    return next((layer for layer in reversed(list(layers)) if layer.has(key)), None)


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping):
            table = below.get(key)
            below[key] = table if isinstance(table, dict) else {}
            _lay_over(below[key], value)
        else:
            below[key] = value
