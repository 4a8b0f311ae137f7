"""Journals that rot: bytes of the file, and single values of its rows."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.journal import Event, Journal, JournalReader
from agent.vehicle.book import JobBook, every_job

ROTTEN = (None, b"\xff\xfe", b"{}", 7, -1, 2**62, 0.5, "", "[]", "7", "null", '{"x":', "\x00", '{"round": 1}', "opened")
TRIP = (
    ("opened", {"metres": 1002}),
    ("chosen", {"round": "bafyround", "model": "DLM1:GA", "reward": 35_0000000, "stake": 10_0000000}),
    ("fetched", {}),
    ("arrived", {"reason": "ignition_off", "metres": 7300, "seconds": 900}),
    ("trained", {"samples": 4000, "steps": 400}),
    ("passed", {"reason": "é" * 400}),
)


def sound(folder: Path, trips: int = 12) -> bytes:
    """A vehicle's journal as it lies on the card after a clean stop."""
    path = folder / "journal.sqlite"
    journal = Journal(path)
    for trip in range(trips):
        for kind, facts in TRIP:
            journal.append(f"trip-{trip:06d}", kind, facts, at=1.8e9 + trip)
    journal.remember("hold", "held")
    journal.remember("commands", '[["id", "hold", "{}"]]')
    journal.advance("outbox", 30)
    journal.close()
    return path.read_bytes()


def bytes_flipped(whole: bytes, chance: random.Random) -> bytes:
    rotten = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        rotten[chance.randrange(len(rotten))] ^= 1 << chance.randrange(8) if chance.random() < 0.7 else 255
    return bytes(rotten)


def value_changed(path: Path, chance: random.Random) -> None:
    table, columns = chance.choice(
        (("events", ("job", "kind", "data", "at", "crc", "seq")), ("marks", ("value", "crc")))
    )
    with sqlite3.connect(path) as raw:
        rows = [row for (row,) in raw.execute(f"SELECT rowid FROM {table}")]
        column, row = chance.choice(columns), chance.choice(rows)
        with contextlib.suppress(sqlite3.Error):  # NOT NULL, or a seq that is taken: this rot cannot be
            raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (chance.choice(ROTTEN), row))
    raw.close()


def uses(path: Path) -> Iterator[Callable[[], object]]:
    """All that the agent does with a journal."""

    def writes() -> None:
        journal = Journal(path)
        try:
            book = JobBook(journal)
            book.mileage()
            journal.append("trip-999999", "opened", {"metres": 1}, at=0.0)
            journal.advance("outbox", journal.cursor("outbox") + 1)
        finally:
            journal.close()

    def reads() -> list[Event]:
        reader = JournalReader(path)
        try:
            reader.jobs()
            for job in reader.jobs():
                list(reader.events(job))
            for name in ("hold", "commands", "outbox", "trip"):
                reader.note(name)
            reader.cursor("outbox")
            every_job(reader)
            return list(reader.events())
        finally:
            reader.close()

    def checks() -> None:
        reader = JournalReader(path)
        try:
            reader.check()
        finally:
            reader.close()

    yield from (reads, checks, writes)
