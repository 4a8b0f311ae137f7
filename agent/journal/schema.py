"""The journal's tables and how they came to be. A change and its record (user_version) are one
transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

from agent.journal.errors import JournalDamaged
from agent.journal.event import checksum, decoded


def _events_and_marks(db: Connection) -> None:
    # AUTOINCREMENT: a seq is never given out twice, so "after seq n" means the same for ever.
    db.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL,"
        " data TEXT NOT NULL, at REAL NOT NULL)"
    )
    from sqlite_utils import Database  # brings numpy, which a parked car has no use for: only where a journal is new

    new = Database(db)
    new["events"].create_index(["job", "seq"])
    new["marks"].create({"name": str, "value": str}, pk="name", not_null={"value"})


def _checksums(db: Connection) -> None:
    for table in ("events", "marks"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
    for row in db.execute("SELECT seq, job, kind, data, at, NULL FROM events").fetchall():
        event = decoded(*row)
        crc = checksum(event.job, event.kind, row[3], event.at)
        db.execute("UPDATE events SET crc = ? WHERE seq = ?", [crc, event.seq])
    for name, value in db.execute("SELECT name, value FROM marks").fetchall():
        db.execute("UPDATE marks SET crc = ? WHERE name = ?", [checksum(name, value), name])


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_events_and_marks, _checksums)
"""Append only: what a released agent has run is never edited."""


def migrate(db: Connection, path: Path) -> None:
    """Bring the file to the newest version. A journal from a newer agent is left alone: JournalDamaged."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise JournalDamaged(path=path, why=f"it was written by a newer agent (version {version})")
    if version <= 0 and db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        raise JournalDamaged(path=path, why="it has tables and no version: it is another program's")
    for number, change in enumerate(MIGRATIONS[version:], start=version + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            change(db)
            db.execute(f"PRAGMA user_version = {number}")
            db.execute("COMMIT")
        except ValueError as error:
            db.execute("ROLLBACK")
            raise JournalDamaged(path=path, why=error) from error
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
