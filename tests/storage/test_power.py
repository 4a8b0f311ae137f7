"""The power goes at any moment, and the disk has lost or mixed up what was not synced: nothing that was promised is
gone, nothing half-written is believed, and what was signed is known to have been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.content.folder import FolderStore
from agent.content.outgoing import Outgoing
from agent.core.cid import Cid
from agent.core.jobs.contribution import Signed
from agent.fleet.desired import NOTE
from agent.fleet.outbox import CURSOR
from agent.journal import Journal
from agent.learn import checkpoint
from agent.ledger import keys
from agent.vehicle.book import JobBook
from tests.storage import writer
from tests.storage.disk import Cut, record

pytestmark = pytest.mark.slow


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", [each for name, each in globals().items() if name.startswith("after_")])


def test_no_power_cut_takes_what_was_promised(check: Callable[[Path, Cut], None], tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    cuts = 0
    for cut in record(folder, "tests.storage.writer", check.__name__.removeprefix("after_")).cuts(seed=14):
        laid = cut.lay(tmp_path / "left")
        try:
            check(laid, cut)
        except BaseException as error:
            raise AssertionError(
                f"{cut.where}, promised {cut.promised[-3:]}: {type(error).__name__}: {error}"
            ) from error
        cuts += 1
    assert cuts > 5
    assert cut.promised, "the last cut is after all was promised"


def numbers(cut: Cut) -> list[int]:
    return [int(word) for word in cut.promised if word.isdecimal()]


def after_journal(left: Path, cut: Cut) -> None:
    journal = Journal(left / writer.STATE / "journal.sqlite")
    try:
        events = list(journal.events())
        assert journal.check() == []
        last = max(numbers(cut), default=0)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert last <= len(events) <= last + 1
        assert (journal.note("trip") or "0") == str(len(events)), "the note is of the same transaction"
        cursor = max((int(word.split()[1]) for word in cut.promised if word.startswith("cursor")), default=0)
        assert journal.cursor(CURSOR) >= cursor
        assert cursor <= int((journal.note(NOTE) or "wish 0").split()[1])
        journal.append("after", "ballast", {}, 0.0)
    finally:
        journal.close()


def after_entry(left: Path, cut: Cut) -> None:
    """Every state that was come to is come back to: an envelope that may be out is known."""
    journal = Journal(left / writer.STATE / "journal.sqlite")
    try:
        book = JobBook(journal)
        kinds = [event.kind for event in journal.events("trip-000001")]
        assert kinds[: len(cut.promised)] == list(cut.promised)
        assert len(kinds) <= len(cut.promised) + 1
        if "signed" in cut.promised:
            assert book.in_flight is not None
            assert book.in_flight.of(Signed) == writer.SIGNED
    finally:
        journal.close()


def after_training(left: Path, cut: Cut) -> None:
    home = left / writer.STATE / "jobs" / "trip-000001"
    found, last = checkpoint.load(home), max(numbers(cut), default=0)
    if found is None:
        assert last == 0
        return
    assert last <= found.state.steps <= last + 1
    assert (found.weights["layer"] == found.state.steps).all()
    assert (found.moments["layer"] == -found.state.steps).all()


def after_key(left: Path, cut: Cut) -> None:
    path = left / "keys" / "stellar-key"
    if cut.promised:
        assert keys.address(path) == cut.promised[0]
    elif path.exists():
        keys.load(path)  # never half a key, which could neither be used nor replaced


def after_laid(left: Path, cut: Cut) -> None:
    folder, last = left / writer.STATE / "made", max(numbers(cut), default=-1)
    if not folder.exists():
        assert last < len(writer.LAID) - 1
        return
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found in [{**writer.CONTENT, "number": str(number).encode()} for number in (last, last + 1)]


def after_stored(left: Path, cut: Cut) -> None:
    store = FolderStore(left / "content" / "blocks")
    for cid in cut.promised:
        assert store.has(Cid.parse(cid))
    for bundle in (left / writer.STATE / "bundles").glob("[!.]*"):
        found = {path.name: path.read_bytes() for path in bundle.iterdir()}
        assert found.pop("round.json") in writer.ROUNDS
        assert [*found] == ["weights"], "a shelf takes a folder that is there for one that is whole"


def after_sent(left: Path, cut: Cut) -> None:
    notes = Outgoing(left / writer.STATE / "content" / "outgoing.sqlite")
    try:
        if "stored" in cut.promised:
            assert notes.is_stored(writer.NODE, writer.CID)
            return
        for said in cut.promised:
            how, number = said.split()
            noted = notes.state(writer.NODE, writer.CID, Cid.v0(bytes([int(number)]) * 32))
            stored = notes.is_stored(writer.NODE, writer.CID)
            assert noted in (("sending", "sent") if how == "sending" else ("sent",)) or stored
    finally:
        notes.close()
