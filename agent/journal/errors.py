"""What can be wrong with a journal, and SQLite's exceptions mapped to it at the door."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import errors
from agent.troubles import DiskFails, DiskReadOnly
from agent.troubles import JournalBusy as JournalBusy
from agent.troubles import JournalDamaged as JournalDamaged
from agent.troubles import JournalFull as JournalFull

NEARLY_FULL = 256 * 1024
"""Free bytes below which a failed write is blamed on the full disk."""


class AlreadyRunning(errors.MilepostError):
    """Another process (pid {pid}) works in {folder}. Two agents must never share one journal. Stop that one
    first, or give this one a state directory of its own."""

    exit_code = errors.TRY_AGAIN


class StateClosed(errors.MilepostError):
    """The state directory {folder} cannot be used: {why}. Make it belong to the agent's user, or name another
    one in $STATE_DIRECTORY."""

    exit_code = errors.NO_PERMISSION


class JournalMissing(errors.MilepostError):
    """There is no journal at {path}. No agent has run with this state directory yet."""

    exit_code = errors.NO_DAEMON


@contextmanager
def mapped(path: Path, busy_seconds: float) -> Iterator[None]:
    """SQLite's exceptions as sentences. Whatever is not named here is damage: it is never waved through."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours, not of the file
    except sqlite3.DatabaseError as error:
        raise _sentence(str(error), path, busy_seconds) from error
    except UnicodeDecodeError as error:  # SQLite's own words, with rot of the file in them
        raise JournalDamaged(path=path, why=f"it holds bytes that are no text ({error.reason})") from error


def _refuses_all(folder: Path) -> bool:
    """Whether nothing can be written there: since Linux 6.15 a file system that met an error refuses all writing, and
    statvfs does not tell."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _sentence(text: str, path: Path, busy_seconds: float) -> errors.MilepostError:
    """`text`: SQLite's words (sqlite3ErrStr). Python 3.10 does not tell the code."""
    if text.startswith("database or disk is full"):
        return JournalFull(path=path)
    if text.startswith(("database is locked", "database table is locked")):
        return JournalBusy(path=path, seconds=busy_seconds)
    if not text.startswith(("disk I/O error", "unable to open database file", "attempt to write a readonly")):
        return JournalDamaged(path=path, why=text)
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        return DiskFails(path=path, why=error.strerror)
    if disk.f_flag & os.ST_RDONLY or _refuses_all(path.parent):
        return DiskReadOnly(path=path)
    if not text.startswith("disk I/O error"):
        return StateClosed(folder=path.parent, why=text)
    # SQLite calls a full disk "disk I/O error" when it is the shared-memory file that cannot grow.
    full = disk.f_bavail * disk.f_frsize < NEARLY_FULL
    return JournalFull(path=path) if full else DiskFails(path=path, why=text)
