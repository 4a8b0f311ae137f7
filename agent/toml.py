"""TOML that remembers its lines, so that a mistake can be shown where it was made.

tomllib gives values without places. A second, much simpler pass finds them: it knows table headers and keys
at the start of a line, which is how people write configuration. A key inside an inline table is shown at its
table's line.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple[str, ...]

MAX_BYTES = 1 << 20

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A TOML file's values, and the line on which each key stands."""

    path: Path
    values: dict[str, Any]
    lines: dict[Key, int]

    def line(self, key: Key) -> int:
        """The line of a key, of its nearest table that has one, else 1."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def _parts(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _lines(text: str) -> dict[Key, int]:
    found: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def read(path: Path) -> TomlDocument:
    """Raises ConfigError with the line when the file cannot be read or is not TOML."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(path=path, line=1, why=f"the file cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(path=path, line=1, why=f"the file is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(path=path, line=line, why="the file is not UTF-8") from error
    try:
        return TomlDocument(path, tomllib.loads(text), _lines(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = _SYNTAX_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        why = _SYNTAX_PLACE.sub("", str(error)).rstrip(".")
        raise ConfigError(path=path, line=line, why=f"not TOML: {why}") from error
