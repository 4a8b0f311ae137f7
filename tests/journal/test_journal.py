"""What the rest of the agent counts on when it writes something down."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import errors
from agent.errors import Malformed
from agent.journal import Event, Journal, JournalDamaged, JournalFull, JournalMissing, JournalReader
from agent.journal.event import encoded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def test_what_was_appended_is_there_after_opening_again(path: Path) -> None:
    first = Journal(path)
    written = first.append("trip-1", "trip.opened", {"travelled_m": 12.5, "why": None}, at=1.5)
    first.close()
    second = Journal(path)
    assert list(second.events()) == [written]
    assert written == Event(1, "trip-1", "trip.opened", {"travelled_m": 12.5, "why": None}, 1.5)
    second.close()


def test_events_come_in_order_by_job_after_a_seq_and_limited(journal: Journal) -> None:
    for number in range(1200):
        journal.append_all([("a", "even", {"n": number}), ("b", "odd", {})], at=0.0)
    assert [event.seq for event in journal.events()] == list(range(1, 2401))
    assert [event.data["n"] for event in journal.events("a", after=3, limit=2)] == [2, 3]
    assert len(list(journal.events("b"))) == 1200
    assert list(journal.events("nobody")) == []
    assert list(journal.events(limit=0)) == []


def test_jobs_come_in_the_order_of_their_first_events(journal: Journal) -> None:
    for job in ("z", "a", "m", "a", "z"):
        journal.append(job, "k", {}, at=0.0)
    assert journal.jobs() == ["z", "a", "m"]


def test_events_may_be_appended_while_others_are_read(journal: Journal) -> None:
    journal.append_all([("a", "k", {})] * 600, at=0.0)
    seen = 0
    for event in journal.events(limit=700):
        seen += 1
        if event.seq <= 600:
            journal.append("a", "k", {}, at=0.0)
    assert seen == 700


def test_several_events_are_one_transaction(journal: Journal) -> None:
    with pytest.raises(Malformed):
        journal.append_all([("a", "good", {}), ("a", "bad", {"n": float("nan")})], at=0.0)
    assert list(journal.events()) == []
    assert journal.append("a", "good", {}, at=0.0).seq == 1


@pytest.mark.parametrize(
    ("job", "kind", "data"),
    [
        ("", "k", {}),
        ("j", "", {}),
        ("j" * 201, "k", {}),
        ("j", "k", {"x": float("inf")}),
        ("j", "k", {"x": b"bytes"}),
        ("j", "k", {"x": "x" * 300_000}),
    ],
)
def test_what_is_not_bounded_json_is_refused_in_a_sentence(journal: Journal, job: str, kind: str, data: dict) -> None:
    with pytest.raises(Malformed):
        journal.append(job, kind, data, at=0.0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.dictionaries(st.text(), json_values))
def test_any_json_comes_back_as_it_went_in(data: dict) -> None:
    import json

    assert json.loads(encoded("j", "k", data)) == data


def test_a_cursor_never_goes_back(journal: Journal) -> None:
    assert journal.cursor("outbox") == 0
    journal.advance("outbox", 7)
    journal.advance("outbox", 3)
    assert journal.cursor("outbox") == 7


def test_a_note_is_kept_and_replaced(path: Path) -> None:
    journal = Journal(path)
    assert journal.note("horizon") is None
    journal.remember("horizon", "12884905984")
    journal.remember("horizon", "12884905985")
    journal.close()
    reader = JournalReader(path)
    assert reader.note("horizon") == "12884905985"
    reader.close()


def test_status_reads_while_the_daemon_writes(journal: Journal, path: Path) -> None:
    reader = JournalReader(path)
    journal.append("a", "k", {}, at=0.0)
    assert [event.seq for event in reader.events()] == [1]
    journal.append("a", "k", {}, at=0.0)
    assert [event.seq for event in reader.events()] == [1, 2]
    assert not hasattr(reader, "append")
    reader.close()


def test_a_reader_who_may_not_write_in_the_folder_reads_a_stopped_journal(path: Path) -> None:
    journal = Journal(path)
    journal.append("a", "k", {}, at=0.0)
    journal.close()
    path.parent.chmod(0o555)
    try:
        if os.access(path.parent, os.W_OK):  # root may always
            subprocess.run(
                [sys.executable, "-c", _READ_AS_NOBODY, str(path)],
                check=True,
                env={"PYTHONPATH": str(Path.cwd())},
            )
        else:
            assert len(list(JournalReader(path).events())) == 1
    finally:
        path.parent.chmod(0o755)


_READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from agent.journal import Journal, JournalReader
path = Path(sys.argv[1])
path.chmod(0o644)
for folder in path.parents[:5]:
    folder.chmod(folder.stat().st_mode | 0o055)
os.setuid(65534)
assert len(list(JournalReader(path).events())) == 1
"""


def test_without_a_journal_the_exit_code_says_that_no_agent_ran(path: Path) -> None:
    with pytest.raises(JournalMissing) as caught:
        JournalReader(path)
    assert caught.value.exit_code == errors.NO_DAEMON


def test_a_sound_journal_has_nothing_to_report(journal: Journal) -> None:
    journal.append("a", "k", {}, at=0.0)
    assert journal.check() == []


def test_doctor_hears_of_missing_events_and_of_damage(path: Path) -> None:
    import sqlite3

    journal = Journal(path)
    journal.append_all([("a", "k", {"x": "y" * 2000})] * 50, at=0.0)
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM events WHERE seq = 7")
    raw.close()
    reader = JournalReader(path)
    assert reader.check() == ["The journal cannot be read: event 7 is missing."]
    reader.close()
    damaged = bytearray(path.read_bytes())
    damaged[8192:20480] = b"\xff" * 12288
    path.write_bytes(damaged)
    reader = JournalReader(path)
    assert reader.check()
    reader.close()


def test_a_file_that_is_no_database_is_never_taken_for_an_empty_journal(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be one" * 100)
    with pytest.raises(JournalDamaged):
        Journal(path)


def test_a_journal_from_a_newer_agent_is_left_alone(path: Path) -> None:
    import sqlite3

    Journal(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(JournalDamaged, match="newer agent"):
        Journal(path)


def test_a_full_disk_is_a_sentence_and_nothing_is_half_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system to fill can only be mounted by root")
    try:
        journal = Journal(disk / "journal.db")
        written = 0
        with pytest.raises(JournalFull, match=r"full.*Free some space") as caught:
            while True:
                journal.append_all([("a", "k", {"x": "y" * 9000}), ("a", "k", {})], at=0.0)
                written += 2
        assert caught.value.exit_code == errors.UNAVAILABLE
        assert len(list(journal.events())) == written
        with pytest.raises(JournalFull):
            journal.append("a", "k", {"x": "y" * 90000}, at=0.0)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert journal.append("a", "k", {"x": "y" * 90000}, at=0.0).seq == written + 1
        journal.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_event_cannot_be_changed(journal: Journal) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        journal.append("a", "k", {}, at=0.0).seq = 2  # type: ignore[misc]
