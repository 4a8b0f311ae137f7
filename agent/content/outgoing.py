"""What was sent where, written down before and after each block, so that a block is sent once.

A block is `sending`, then `sent`. One that is found `sending` after a crash may have arrived: the node is
asked. When a bundle is stored its blocks are forgotten and only the bundle is remembered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from agent import files
from agent.core.cid import Cid
from agent.errors import Unavailable

State = Literal["sending", "sent"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (
    endpoint TEXT, bundle BLOB, digest BLOB, state TEXT,
    PRIMARY KEY (endpoint, bundle, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle (endpoint TEXT, digest BLOB, PRIMARY KEY (endpoint, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wide (plain BLOB PRIMARY KEY, is_wide INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pin_owed (service TEXT, digest BLOB, PRIMARY KEY (service, digest)) WITHOUT ROWID;
"""


class Outgoing:
    """The notes of one state directory, in SQLite; every change is on the disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        files.make_folder(path.parent)
        try:
            self._db = _opened(path)
        except sqlite3.OperationalError as error:
            raise Unavailable(what=f"The file {path} ({error})") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # rotten: what it said is asked for again, or sent again
            for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                file.unlink(missing_ok=True)
            self._db = _opened(path)

    def close(self) -> None:
        self._db.close()

    def __repr__(self) -> str:
        return f"Outgoing({str(self._path)!r})"

    def state(self, endpoint: str, bundle: Cid, block: Cid) -> State | None:
        """How far a block of a bundle got at an endpoint; None: not begun."""
        query = "SELECT state FROM block WHERE endpoint = ? AND bundle = ? AND digest = ?"
        with self._change() as db:
            row = db.execute(query, (endpoint, bundle.digest, block.digest)).fetchone()
        return row[0] if row else None

    def note(self, endpoint: str, bundle: Cid, block: Cid, state: State) -> None:
        with self._change() as db:
            db.execute(
                "INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?)",
                (endpoint, bundle.digest, block.digest, state),
            )

    def forget(self, endpoint: str, bundle: Cid, block: Cid) -> None:
        """The endpoint lost it: send it again."""
        with self._change() as db:
            db.execute(
                "DELETE FROM block WHERE endpoint = ? AND bundle = ? AND digest = ?",
                (endpoint, bundle.digest, block.digest),
            )

    def is_stored(self, endpoint: str, bundle: Cid) -> bool:
        with self._change() as db:
            query = "SELECT 1 FROM bundle WHERE endpoint = ? AND digest = ?"
            return db.execute(query, (endpoint, bundle.digest)).fetchone() is not None

    def stored(self, endpoint: str, bundle: Cid, services: Sequence[str]) -> None:
        """The bundle is whole there; these services are still to be asked for a pin."""
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO bundle VALUES (?, ?)", (endpoint, bundle.digest))
            db.execute("DELETE FROM block WHERE endpoint = ? AND bundle = ?", (endpoint, bundle.digest))
            owed = [(service, bundle.digest) for service in services]
            db.executemany("INSERT OR IGNORE INTO pin_owed VALUES (?, ?)", owed)

    def dropped(self, endpoint: str, bundle: Cid) -> None:
        """The bundle is there no more, and nobody is asked to pin it."""
        with self._change() as db:
            db.execute("DELETE FROM bundle WHERE endpoint = ? AND digest = ?", (endpoint, bundle.digest))
            db.execute("DELETE FROM block WHERE endpoint = ? AND bundle = ?", (endpoint, bundle.digest))
            db.execute("DELETE FROM pin_owed WHERE digest = ?", (bundle.digest,))

    def pins_owed(self, service: str) -> list[Cid]:
        with self._change() as db:
            rows = db.execute("SELECT digest FROM pin_owed WHERE service = ?", (service,)).fetchall()
        return [Cid.v0(digest) for (digest,) in rows]

    def pin_asked(self, service: str, bundle: Cid) -> None:
        with self._change() as db:
            db.execute("DELETE FROM pin_owed WHERE service = ? AND digest = ?", (service, bundle.digest))

    def wide(self, plain: Cid, now: bool) -> bool:
        """Whether a bundle is cut into large blocks: as it was the first time, else as `now` says. So its
        CID stays the same, and half an upload is of use, when the link turns good or bad meanwhile."""
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO wide VALUES (?, ?)", (plain.digest, now))
            (is_wide,) = db.execute("SELECT is_wide FROM wide WHERE plain = ?", (plain.digest,)).fetchone()
        return bool(is_wide)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db:
                yield self._db
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise files.DiskFull(path=self._path) from error
            raise Unavailable(what=f"The file {self._path} ({error})") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # damaged: the next start begins it anew
            raise Unavailable(what=f"The file {self._path} ({error})") from error


def _opened(path: Path) -> sqlite3.Connection:
    """Raises sqlite3's errors; DatabaseError itself for a file that is damaged."""
    db = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        with db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_SCHEMA)
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    except BaseException:
        db.close()
        raise
    return db
