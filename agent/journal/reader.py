"""Reading a journal, also while the daemon writes it. Plain sqlite3, so that `milepost status` is quick."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from agent.journal.errors import JournalDamaged, JournalMissing, mapped
from agent.journal.event import Event, checksum, decoded

BUSY_SECONDS = 5.0
_PAGE = 500
_ALL = "SELECT seq, job, kind, data, at, {crc} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_OF_JOB = "SELECT seq, job, kind, data, at, {crc} FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"
_NOTE = "SELECT value, {crc} FROM marks WHERE name = ?"


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
        query, values = (self._asking(_ALL), []) if job is None else (self._asking(_OF_JOB), [job])
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            with mapped(self.path, BUSY_SECONDS):
                rows = self._connection.execute(query, [*values, after, size]).fetchall()
            for row in rows:
                try:
                    event = decoded(*row)
                except ValueError as error:
                    raise JournalDamaged(path=self.path, why=error) from error
                if job is None and event.seq != after + 1:
                    raise JournalDamaged(path=self.path, why=f"event {after + 1} is missing")
                after = event.seq
                yield event
            if len(rows) < size:
                return
            left = None if left is None else left - size

    def jobs(self) -> list[str]:
        """Every job, in the order of their first events."""
        with mapped(self.path, BUSY_SECONDS):
            rows = self._connection.execute("SELECT job FROM events GROUP BY job ORDER BY MIN(seq)").fetchall()
        if not all(isinstance(job, str) for (job,) in rows):
            raise JournalDamaged(path=self.path, why="a job's name is no text")
        return [job for (job,) in rows]

    def note(self, name: str) -> str | None:
        """The text remembered under `name`."""
        with mapped(self.path, BUSY_SECONDS):
            row = self._connection.execute(self._asking(_NOTE), [name]).fetchone()
        if row is None:
            return None
        value, crc = row
        if not isinstance(value, str) or (crc is not None and crc != checksum(name, value)):
            raise JournalDamaged(path=self.path, why=f"what is remembered as {name} is not as it was written")
        return value

    def cursor(self, name: str) -> int:
        """How far the reader `name` has come; 0 at first."""
        note = self.note(name) or "0"
        if not note.isdecimal():
            raise JournalDamaged(path=self.path, why=f"the cursor {name} is no number")
        return int(note)

    def check(self) -> list[str]:
        """What is wrong with the file, as sentences; empty when it is sound. Reads all of it."""
        try:
            with mapped(self.path, BUSY_SECONDS):
                found = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check(10)") if row[0] != "ok"]
                notes = [name for (name,) in self._connection.execute("SELECT name FROM marks")]
            for _ in self.events():
                pass
            for name in notes:
                self.note(name)
        except JournalDamaged as error:
            return [f"The journal cannot be read: {error.facts.get('why')}."]
        return found

    def _asking(self, query: str) -> str:
        """The journal of an older agent has no checksums."""
        with mapped(self.path, BUSY_SECONDS):
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return query.format(crc="COALESCE(crc, -1)" if version > 1 else "NULL")

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
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                raise JournalDamaged(path=path, why="it has tables and no version")
            raise JournalMissing(path=path)  # its first agent is just creating it
    except BaseException:
        connection.close()
        raise
    return connection
