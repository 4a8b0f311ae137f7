"""Files that are not what an agent left there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.journal import Journal, JournalDamaged


@pytest.mark.parametrize("version", [0, -1])
def test_another_programs_database_is_left_alone(tmp_path: Path, version: int) -> None:
    """(ff) It was taken for a new journal: tables were made in it."""
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.execute(f"PRAGMA user_version = {version}")
    other.close()
    with pytest.raises(JournalDamaged, match="another program's"):
        Journal(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    other.close()
