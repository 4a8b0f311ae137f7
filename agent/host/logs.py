"""The log: what happened, in the past tense, one line each: `trip.opened metres=1002`.

Facts are words and numbers. Anything else (a frame, a position, bytes) is written as its type alone, and
private names lose their value, so that no secret and no place can reach the log by an oversight.
"""

from __future__ import annotations

import json
import os
import sys
import time
from enum import Enum, IntEnum
from pathlib import PurePath
from typing import TextIO

from agent.core import redact
from agent.errors import MilepostError


class Level(IntEnum):
    """syslog's priorities (RFC 5424, 6.2.1), as journald reads them from <N> at the start of a line."""

    error = 3
    warning = 4
    info = 6
    debug = 7


class Log:
    """Writes events to a stream. One line is one write, so lines of several threads do not mix."""

    def __init__(self, level: str = "info", stream: TextIO | None = None, journald: bool | None = None) -> None:
        self._least = Level[level]
        self._stream = stream or sys.stderr
        self._journald = "JOURNAL_STREAM" in os.environ if journald is None else journald

    def event(self, name: str, level: Level = Level.info, /, **facts: object) -> None:
        """Write down that something happened: log.event("trip.opened", metres=1002)."""
        if level > self._least:
            return
        words = [name, *(f"{fact}={_word(fact, value)}" for fact, value in facts.items())]
        self._write(level, " ".join(words))

    def detail(self, name: str, /, **facts: object) -> None:
        """What only somebody who looks for a fault wants to read."""
        self.event(name, Level.debug, **facts)

    def warning(self, name: str, /, **facts: object) -> None:
        """Something that an operator should know, though the agent goes on."""
        self.event(name, Level.warning, **facts)

    def error(self, name: str, error: MilepostError | str, /, **facts: object) -> None:
        """Something that stopped a piece of work, with the sentence that says what to do."""
        self.event(name, Level.error, **facts, error=str(error))

    def _write(self, level: Level, line: str) -> None:
        head = f"<{level.value}>" if self._journald else f"{time.strftime('%H:%M:%S')} "
        self._stream.write(f"{head}{line}\n")
        self._stream.flush()


def _word(fact: str, value: object) -> str:
    """A value as it is written: quoted where a space, a quote or a control character would mislead."""
    if fact in redact.PRIVATE_NAMES:
        return redact.HIDDEN
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, (str, int, PurePath, type(None))):
        return f"<{type(value).__name__}>"
    word = redact.text(str(value))
    plain = word.isascii() and word.isprintable() and not set(word) & set(' "=') and word
    return word if plain else json.dumps(word, ensure_ascii=not word.isprintable())
