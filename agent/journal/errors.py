"""What can be wrong with a journal, and SQLite's exceptions mapped to it at the door."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import errors

NEARLY_FULL = 256 * 1024
"""Free bytes below which a failed write is blamed on the full disk."""


class AlreadyRunning(errors.MilepostError):
    """Another process (pid {pid}) works in {folder}. Two agents must never share one journal. Stop that one
    first, or give this one a state directory of its own."""

    exit_code = errors.TRY_AGAIN


class JournalFull(errors.Unavailable):
    """The disk that holds {path} is full: nothing more can be written down, so nothing more is done.
    Everything written before is safe. Free some space; the agent then goes on by itself."""


class JournalBusy(errors.TryAgain):
    """{path} is locked by another process for longer than {seconds:g} s. Close whatever has it open for
    writing."""


class StateClosed(errors.MilepostError):
    """The state directory {folder} cannot be used: {why}. Make it belong to the agent's user, or name another
    one in $STATE_DIRECTORY."""

    exit_code = errors.NO_PERMISSION


class JournalMissing(errors.MilepostError):
    """There is no journal at {path}. No agent has run with this state directory yet."""

    exit_code = errors.NO_DAEMON


class JournalDamaged(errors.MilepostError):
    """The journal {path} is damaged: {why}. The agent does not guess what it has paid for. Keep the file,
    restore a copy of it, or start anew with an empty state directory once its stakes are settled or taken
    back."""


@contextmanager
def mapped(path: Path, busy_seconds: float) -> Iterator[None]:
    """SQLite's exceptions as sentences. Whatever is not named here is damage: it is never waved through."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours, not of the file
    except sqlite3.DatabaseError as error:
        raise _sentence(error, path, busy_seconds) from error


def _sentence(error: sqlite3.DatabaseError, path: Path, busy_seconds: float) -> errors.MilepostError:
    text = str(error)
    # SQLite calls a full disk "disk I/O error" when it is the shared-memory file that cannot grow.
    if "is full" in text or ("disk I/O" in text and _free_bytes(path) < NEARLY_FULL):
        return JournalFull(path=path)
    if "locked" in text or "busy" in text:
        return JournalBusy(path=path, seconds=busy_seconds)
    if "unable to open" in text or "readonly" in text:
        return StateClosed(folder=path.parent, why=text)
    return JournalDamaged(path=path, why=text)


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize
