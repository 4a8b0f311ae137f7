"""Reading a journal, also while the daemon writes it. Plain sqlite3, so that `milepost status` is quick."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from agent.journal.errors import JournalMissing, mapped
from agent.journal.event import Event

BUSY_SECONDS = 5.0
_PAGE = 500
_ALL = "SELECT seq, job, kind, data, at FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_OF_JOB = "SELECT seq, job, kind, data, at FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"


class JournalReader:
    """Everything that can be asked of a journal. Raises JournalMissing, JournalBusy, JournalDamaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise JournalMissing(path=path)
        with mapped(path, BUSY_SECONDS):
            self._connection = _connect_readonly(path)

    def events(self, job: str | None = None, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Events with seq > `after`, oldest first, of one job or of all; at most `limit`. May be read while
        events are appended: pages are fetched as they are needed and no lock is held in between."""
        query, values = (_ALL, []) if job is None else (_OF_JOB, [job])
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            with mapped(self.path, BUSY_SECONDS):
                rows = self._connection.execute(query, [*values, after, size]).fetchall()
            for seq, name, kind, data, at in rows:
                yield Event(seq, name, kind, json.loads(data), at)
            if len(rows) < size:
                return
            after = rows[-1][0]
            left = None if left is None else left - size

    def jobs(self) -> list[str]:
        """Every job, in the order of their first events."""
        with mapped(self.path, BUSY_SECONDS):
            rows = self._connection.execute("SELECT job FROM events GROUP BY job ORDER BY MIN(seq)").fetchall()
        return [row[0] for row in rows]

    def note(self, name: str) -> str | None:
        """The text remembered under `name`."""
        with mapped(self.path, BUSY_SECONDS):
            row = self._connection.execute("SELECT value FROM marks WHERE name = ?", [name]).fetchone()
        return None if row is None else str(row[0])

    def cursor(self, name: str) -> int:
        """How far the reader `name` has come; 0 at first."""
        return int(self.note(name) or 0)

    def check(self) -> list[str]:
        """What is wrong with the file, as sentences; empty when it is sound. Reads all of it."""
        try:
            found = [row[0] for row in self._connection.execute("PRAGMA quick_check(10)") if row[0] != "ok"]
            bad = self._connection.execute("SELECT seq FROM events WHERE NOT json_valid(data) LIMIT 10").fetchall()
            first, last, count = self._connection.execute("SELECT MIN(seq), MAX(seq), COUNT(*) FROM events").fetchone()
        except sqlite3.DatabaseError as error:
            return [f"The journal cannot be read: {error}."]
        found += [f"Event {row[0]} is not JSON." for row in bad]
        if count and (first != 1 or last != count):
            found.append(f"Events are missing: {count} are there, the newest is number {last}.")
        return found

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


def _connect_readonly(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        return _opened(uri, path)
    except sqlite3.OperationalError:
        # A reader who may not write in the folder cannot create the shared-memory file of WAL mode. Without a
        # -wal file no writer is at work, and then the file may be read as it lies there.
        if path.with_name(path.name + "-wal").exists():
            raise
        return _opened(f"{uri}&immutable=1", path)


def _opened(uri: str, path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            raise JournalMissing(path=path)  # its first agent is just creating it
    except BaseException:
        connection.close()
        raise
    return connection
