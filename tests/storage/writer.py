"""`python -m tests.storage.writer NAME FOLDER`: one of the agent's writers at work, which says what it has promised."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from agent import files
from agent.content.folder import FolderStore
from agent.content.outgoing import Outgoing
from agent.core.cid import Cid
from agent.fleet.desired import NOTE
from agent.fleet.outbox import CURSOR
from agent.journal import Journal
from agent.learn import checkpoint
from agent.ledger import keys
from agent.market import bundle
from agent.market.bundle import Shelf
from agent.ports import BundleLimits
from agent.vehicle.book import JobBook
from tests.vehicle import trips

STATE = "var/lib/milepost"
"""Folders that are not there yet, as on a car's first start."""
EVENTS = 25
BIG = "x" * 200_000
LAID = range(3)
ROUNDS = (b"{}", b"{1}", b"{2}")
CONTENT = {"weights": bytes(range(256)) * 40, "round.json": b"{}"}
NODE = "http://10.0.0.5:5001"
SIGNED = trips.signed()
CID = Cid.parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn")


def promise(what: object) -> None:
    """One call of the system, whatever Python's buffers are set to."""
    os.write(1, f"promised {what}\n".encode())


def journal(folder: Path) -> None:
    """Large events, so that the write-ahead log is carried over into the file while they come."""
    made = Journal(folder / STATE / "journal.sqlite")
    for number in range(1, EVENTS + 1):
        made.append_all([(f"job {number}", "ballast", {"x": BIG})], float(number), {"trip": str(number)})
        promise(number)
        if number % 8 == 0:
            made.advance(CURSOR, number)
            made.remember(NOTE, f"wish {number}")
            promise(f"cursor {number}")
    made.close()


def entry(folder: Path) -> None:
    """An envelope is handed in once it is written down."""
    book = JobBook(Journal(folder / STATE / "journal.sqlite"))
    for event in (*trips.way()[:-2], SIGNED):
        book.record("trip-000001", event, 0.0)
        promise(event.kind)


def training(folder: Path) -> None:
    home = folder / STATE / "jobs" / "trip-000001"
    files.make_folder(home)
    for steps in range(1, 6):
        checkpoint.save(home, checkpoint.TrainingState(steps=steps), weights(steps), weights(-steps))
        promise(steps)


def weights(value: float) -> dict[str, np.ndarray]:
    return {"layer": np.full((40, 60), value, np.float32)}


def key(folder: Path) -> None:
    (folder / "keys").mkdir()
    files.sync_folder(folder)
    promise(keys.generate(folder / "keys" / "stellar-key"))


def laid(folder: Path) -> None:
    """A bundle is laid out, and laid out anew."""
    for number in LAID:
        bundle.lay(folder / STATE / "made", {**CONTENT, "number": str(number).encode()})
        promise(number)


def stored(folder: Path) -> None:
    """Bundles are stored, and fetched onto a shelf that has room for one."""
    source = folder.with_name("source")
    source.mkdir(exist_ok=True)
    for name, data in CONTENT.items():
        (source / name).write_bytes(data)
    store = FolderStore(folder / "content" / "blocks")
    shelf = Shelf(folder / STATE / "bundles", store, keep=1)
    for number in range(3):
        (source / "round.json").write_bytes(ROUNDS[number])
        cid = store.put(source)
        promise(cid)
        shelf.get(bundle.CidText(str(cid)), BundleLimits())
    shelf.drop(bundle.CidText(str(cid)))


def sent(folder: Path) -> None:
    """What was sent to a node is noted, so that it is sent once."""
    notes = Outgoing(folder / STATE / "content" / "outgoing.sqlite")
    for number in range(8):
        block = Cid.v0(bytes([number]) * 32)
        notes.note(NODE, CID, block, "sending")
        promise(f"sending {number}")
        notes.note(NODE, CID, block, "sent")
        promise(f"sent {number}")
    notes.stored(NODE, CID, ["https://pins"])
    promise("stored")
    notes.close()


WRITERS: Mapping[str, Callable[[Path], None]] = {
    made.__name__: made for made in (journal, entry, training, key, laid, stored, sent)
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]))
