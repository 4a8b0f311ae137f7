"""The journal's one writer. The file's lock is taken before the file is opened and given back after it is
closed."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent.files import sync_folder
from agent.journal.errors import JournalDamaged, mapped
from agent.journal.event import JSON, Event, checksum, encoded
from agent.journal.lock import StateLock
from agent.journal.reader import BUSY_SECONDS, JournalReader
from agent.journal.schema import migrate
from agent.troubles import DiskSlow

SLOW_S = 0.5
"""A sound card keeps a line in hundredths of a second."""
SLOW_WRITES = 3
"""In a row."""


class Journal(JournalReader):
    """Append and remember. What these return from is on the disk: WAL with synchronous=FULL syncs every
    commit.

    Raises AlreadyRunning when another process has the state directory, JournalFull when the disk is full
    (nothing of the call was written then; the same call may be made again later). For one thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = StateLock(path.parent)
        self._took: deque[float] = deque(maxlen=SLOW_WRITES)
        try:
            with mapped(path, BUSY_SECONDS):
                self._connection = _connect(path)
                migrate(self._connection, path)
                self._whole()
        except BaseException:
            self._lock.release()
            raise
        sync_folder(path.parent)

    def _whole(self) -> None:
        """Raises JournalDamaged where the newest events are gone."""
        (last,) = self._connection.execute("SELECT MAX(seq) FROM events").fetchone()
        given = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        if (given[0] if given else None) != last:
            raise JournalDamaged(path=self.path, why=f"its newest event is number {last}, and {given} was written")

    def append(self, job: str, kind: str, data: Mapping[str, JSON], at: float) -> Event:
        """Write one event down; durable when this returns. Raises Malformed for data that is not bounded
        JSON."""
        return self.append_all([(job, kind, data)], at)[0]

    def append_all(
        self,
        events: Iterable[tuple[str, str, Mapping[str, JSON]]],
        at: float,
        remember: Mapping[str, str] | None = None,
    ) -> list[Event]:
        """Write several events down, and what is to be remembered with them, in one transaction: all or none."""
        rows = [(job, kind, dict(data), encoded(job, kind, data)) for job, kind, data in events]
        written = []
        with self._transaction():
            for job, kind, data, text in rows:
                seq = self._connection.execute(
                    "INSERT INTO events (job, kind, data, at, crc) VALUES (?, ?, ?, ?, ?)",
                    [job, kind, text, at, checksum(job, kind, text, float(at))],
                ).lastrowid
                assert seq is not None  # noqa: S101  (an INSERT has one)
                written.append(Event(seq, job, kind, data, at))
            for name, text in (remember or {}).items():
                self._mark(name, text)
        return written

    def remember(self, name: str, text: str) -> None:
        """Keep a text under a name, in place of what was there."""
        with self._transaction():
            self._mark(name, text)

    def _mark(self, name: str, text: str) -> None:
        self._connection.execute(
            "INSERT INTO marks (name, value, crc) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value, crc = excluded.crc",
            [name, text, checksum(name, text)],
        )

    def advance(self, name: str, seq: int) -> None:
        """Move the cursor `name` on to `seq`. It never goes back, so a repeated or late call does no harm."""
        if seq > self.cursor(name):
            self.remember(name, str(seq))

    def close(self) -> None:
        """Idempotent."""
        super().close()
        self._lock.release()

    @property
    def trouble(self) -> DiskSlow | None:
        """That the disk takes too long, as of the last few writes."""
        slow = len(self._took) == SLOW_WRITES and min(self._took) > SLOW_S
        return DiskSlow(path=self.path.parent, seconds=SLOW_S) if slow else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        began = time.monotonic()
        with mapped(self.path, BUSY_SECONDS):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
                self._took.append(time.monotonic() - began)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def try_writing(path: Path) -> None:
    """Write to the journal, beside the daemon where one runs, and change nothing. Raises what `append` raises."""
    with mapped(path, BUSY_SECONDS):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version}")  # a page that is written, though none is changed
            connection.execute("COMMIT")
        finally:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        path.chmod(0o640)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
    except BaseException:
        connection.close()
        raise
    return connection
