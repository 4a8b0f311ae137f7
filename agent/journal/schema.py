"""The journal's tables and how they came to be. A change and its record (user_version) are one
transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.journal.errors import JournalDamaged
from agent.journal.event import checksum, decoded

if TYPE_CHECKING:
    from sqlite_utils import Database


def _events_and_marks(db: Database) -> None:
    # AUTOINCREMENT: a seq is never given out twice, so "after seq n" means the same for ever.
    db.conn.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL,"
        " data TEXT NOT NULL, at REAL NOT NULL)"
    )
    db["events"].create_index(["job", "seq"])
    db["marks"].create({"name": str, "value": str}, pk="name", not_null={"value"})


def _checksums(db: Database) -> None:
    for table in ("events", "marks"):
        db.conn.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
    for row in db.conn.execute("SELECT seq, job, kind, data, at, NULL FROM events").fetchall():
        event = decoded(*row)
        crc = checksum(event.job, event.kind, row[3], event.at)
        db.conn.execute("UPDATE events SET crc = ? WHERE seq = ?", [crc, event.seq])
    for name, value in db.conn.execute("SELECT name, value FROM marks").fetchall():
        db.conn.execute("UPDATE marks SET crc = ? WHERE name = ?", [checksum(name, value), name])


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_events_and_marks, _checksums)
"""Append only: what a released agent has run is never edited."""


def migrate(db: Database, path: Path) -> None:
    """Bring the file to the newest version. A journal from a newer agent is left alone: JournalDamaged."""
    version: int = db.conn.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise JournalDamaged(path=path, why=f"it was written by a newer agent (version {version})")
    if version <= 0 and db.conn.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        raise JournalDamaged(path=path, why="it has tables and no version: it is another program's")
    for number, change in enumerate(MIGRATIONS[version:], start=version + 1):
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            change(db)
            db.conn.execute(f"PRAGMA user_version = {number}")
            db.conn.execute("COMMIT")
        except ValueError as error:
            db.conn.execute("ROLLBACK")
            raise JournalDamaged(path=path, why=error) from error
        except BaseException:
            if db.conn.in_transaction:
                db.conn.execute("ROLLBACK")
            raise
