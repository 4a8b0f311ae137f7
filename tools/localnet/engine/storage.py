"""A state that lasts: one SQLite table of rows, written with every close.

The whole ledger lives in memory; SQLite holds it over a restart. WAL with `synchronous=NORMAL` may lose the
last closes in a power cut but never tears one: this is a development ledger.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from .entries import Changes, Entry, Key
from .rows import entry_of, row_of


class SqliteStore:
    """The `Store` behind a `State`. Give it a connection to write the ledger and other tables as one."""

    def __init__(self, database: Path | str | sqlite3.Connection) -> None:
        self.connection = database if isinstance(database, sqlite3.Connection) else sqlite3.connect(database)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID"
        )

    def load(self) -> list[Entry]:
        return [entry_of(row) for (row,) in self.connection.execute("SELECT row FROM entry")]

    def write(self, changes: Changes) -> None:
        """One SQL transaction; where the caller has one open, part of it."""
        inside = self.connection.in_transaction
        kept = [(_text(one.key), row_of(one.after)) for one in changes if one.after is not None]
        gone = [(_text(one.key),) for one in changes if one.after is None]
        self.connection.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?)", kept)
        self.connection.executemany("DELETE FROM entry WHERE key = ?", gone)
        if not inside:
            self.connection.commit()


def _text(key: Key) -> str:
    return json.dumps(key, separators=(",", ":"))
