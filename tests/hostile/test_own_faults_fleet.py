"""The host's own faults: a card that rots, a disk that is read-only, a power cut in the middle of a file."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.content.outgoing import Outgoing
from agent.core.cid import Cid
from agent.core.jobs.contribution import Opened
from agent.errors import NO_PERMISSION, UNAVAILABLE, Unavailable
from agent.fleet.page.access import load_token, new_token
from agent.journal import Event, Journal, JournalDamaged, JournalReader
from agent.vehicle.book import every_job
from tests.hostile import rot

ROOT = Path(__file__).parents[2]
BUNDLE = Cid.v0(b"b" * 32)
CASES = 300
"""Of journals that rot: 20,000 were run once."""


def on_a_small_disk(tmp_path: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell script beside a tmpfs at $DISK, which nobody else sees."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=8m none {disk} || exit 99; DISK={disk}; PYTHON={sys.executable}; {script}"
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    return ran


@pytest.mark.slow
def test_a_journal_that_rots_says_so_and_is_never_read_wrong(tmp_path: Path) -> None:
    """(ff) Whatever byte of the file or value of a row changed: JournalDamaged, or all of it as it was written."""
    whole = rot.sound(tmp_path / "sound")
    written = list(JournalReader(tmp_path / "sound" / "journal.sqlite").events())
    damaged = 0
    for seed in range(CASES):
        chance = random.Random(seed)
        path = tmp_path / str(seed) / "journal.sqlite"
        path.parent.mkdir()
        path.write_bytes(whole if seed % 3 == 0 else rot.bytes_flipped(whole, chance))
        if seed % 3 == 0:
            rot.value_changed(path, chance)
        for use in rot.uses(path):
            try:
                read = use()
            except JournalDamaged:
                damaged += 1
            else:
                assert read in (None, written), f"seed {seed}: read as if nothing were wrong"
    assert damaged > CASES


@pytest.mark.parametrize("data", rot.ROTTEN)
def test_a_rotten_row_of_an_older_agents_journal_says_so(tmp_path: Path, data: object) -> None:
    """(ff) A journal without checksums is read by its types, and taken over only where each row is an event."""
    path = tmp_path / "journal.sqlite"
    of_version_one(path, '{"metres": 1002}' if data in ("opened", '{"round": 1}') else data)
    if data in ("opened", '{"round": 1}'):
        assert list(JournalReader(path).events()) == [Event(1, "trip-1", "opened", {"metres": 1002}, 5.0)]
        Journal(path).close()
        assert every_job(JournalReader(path))["trip-1"].of(Opened).metres == 1002
        assert JournalReader(path).cursor("outbox") == 1
        return
    for use in (lambda: every_job(JournalReader(path)), lambda: Journal(path)):
        with pytest.raises(JournalDamaged):
            use()


def of_version_one(path: Path, data: object) -> None:
    with sqlite3.connect(path) as raw:
        raw.executescript(
            "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL,"
            " data TEXT, at REAL NOT NULL); CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
            "INSERT INTO marks VALUES ('outbox', '1'); PRAGMA user_version = 1;"
        )
        raw.execute("INSERT INTO events (job, kind, data, at) VALUES ('trip-1', 'opened', ?, 5.0)", [data])
    raw.close()


def test_events_that_are_gone_are_missed(tmp_path: Path) -> None:
    """(ff) The newest events are not forgotten in silence: what was paid for stands in them."""
    rot.sound(tmp_path)
    with sqlite3.connect(tmp_path / "journal.sqlite") as raw:
        raw.execute("DELETE FROM events WHERE seq > 60")
    raw.close()
    with pytest.raises(JournalDamaged, match="newest event is number 60"):
        Journal(tmp_path / "journal.sqlite")


USE = """
import sys
from pathlib import Path
from agent.errors import MilepostError
from agent.journal import Journal, JournalReader, try_writing
def told(what):
    try:
        print(what())
    except MilepostError as error:
        print(type(error).__name__, error.exit_code, "damaged" in str(error))
path = Path(sys.argv[1]) / "journal.sqlite"
if sys.argv[2] == "before":
    told(lambda: Journal(path).append("trip-1", "opened", {"metres": 1}, at=0.0).seq)
else:
    told(lambda: Journal(path))
    told(lambda: try_writing(path))
    told(lambda: len(list(JournalReader(path).events())))
"""


def test_a_read_only_card_is_called_what_it_is_and_the_agent_is_started_again(tmp_path: Path) -> None:
    """(hh) Not "damaged, start anew", and no exit code that the unit takes for the end."""
    ran = on_a_small_disk(
        tmp_path,
        '$PYTHON -c "$1" $DISK before; mount -o remount,ro $DISK; $PYTHON -c "$1" $DISK after',
        USE,
    )
    read_only = f"DiskReadOnly {UNAVAILABLE} False"
    assert ran.stdout.splitlines() == ["1", read_only, read_only, "1"], ran.stderr


@pytest.mark.parametrize("unit", sorted((ROOT / "systemd").glob("*.service")), ids=lambda path: path.stem)
def test_units_are_started_again_when_something_could_not_be_reached(unit: Path) -> None:
    """(hh) A disk that is full or read-only ends a daemon with 69."""
    text = unit.read_text()
    (never,) = re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE)
    assert "Restart=always" in text
    assert str(UNAVAILABLE) not in never.split()
    assert str(NO_PERMISSION) in never.split()


def test_a_disk_that_takes_no_more_is_no_damaged_journal(tmp_path: Path) -> None:
    """(hh) SQLite says "disk I/O error" and nothing of why."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from agent.journal import Journal\n"
        "from agent.files import DiskFails\n"
        "journal = Journal(Path(sys.argv[1]) / 'journal.sqlite')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))\n"
        "try:\n    [journal.append('a', 'k', {'x': 'y' * 9000}, at=0.0) for _ in range(20)]\n"
        "except DiskFails as error:\n    print(error.exit_code)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout == f"{UNAVAILABLE}\n", ran.stderr


@pytest.mark.slow
def test_the_doctor_writes_to_disk_and_journal_before_it_ticks_them(tmp_path: Path) -> None:
    """(hh) On a read-only card both were well."""
    ran = on_a_small_disk(
        tmp_path,
        'printf "$2" $DISK $DISK > $DISK/m.toml;'
        "$PYTHON -m agent keys generate --file $DISK/stellar-key;"
        '$PYTHON -c "$1" $DISK before; $PYTHON -m agent --config $DISK/m.toml doctor; ls -A $DISK;'
        "mount -o remount,ro $DISK; $PYTHON -m agent --config $DISK/m.toml doctor;"
        '$PYTHON -m agent --config $DISK/m.toml run; echo "ended with $?"',
        USE,
        "[agent]\\nstate_dir = '%s'\\nkey_file = '%s/stellar-key'\\n[mqtt]\\nenabled = false\\n"
        "[ledger]\\nhorizon = 'http://127.0.0.1:9'\\n[gates]\\ndisk_free_mb = 1\\n",
    )
    assert re.findall(r"(?m)^(\S) (disk|journal) .*it can be written\.$", ran.stdout) == [
        ("✓", "disk"),
        ("✓", "journal"),
    ], ran.stdout
    assert re.findall(r"(\S) (disk|journal) .*read-only", ran.stdout) == [("✗", "disk"), ("✗", "journal")], ran.stdout
    assert "\ndoctor\n" not in ran.stdout, "nothing is left behind"
    assert ran.stdout.endswith(f"ended with {UNAVAILABLE}\n"), ran.stderr


def test_a_token_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """(ee) An empty token file kept the page down for ever."""
    ran = on_a_small_disk(
        tmp_path,
        'mkdir $DISK/a; dd if=/dev/zero of=$DISK/full bs=1k 2>/dev/null; $PYTHON -c "$1" $DISK/a; ls -A $DISK/a; '
        'rm $DISK/full; $PYTHON -c "$1" $DISK/a; ls $DISK/a',
        "import sys; from pathlib import Path; from agent.fleet.page.access import new_token\n"
        "from agent.files import DiskFull\n"
        "try:\n    print(len(new_token(Path(sys.argv[1]) / 'token')))\nexcept DiskFull:\n    print('full')\n",
    )
    assert ran.stdout.split() == ["full", "32", "token"], ran.stderr
    made = new_token(tmp_path / "token")
    assert load_token(tmp_path / "token") == made


@pytest.mark.parametrize("seed", range(40))
def test_notes_of_what_was_sent_begin_anew_when_they_rot(tmp_path: Path, seed: int) -> None:
    """(ff) They are worth an upload, not a daemon."""
    path, chance = tmp_path / "outgoing.sqlite", random.Random(seed)
    notes = Outgoing(path)
    for number in range(200):
        notes.note("node", BUNDLE, Cid.v0(number.to_bytes(32, "big")), "sent")
    notes.close()
    path.write_bytes(rot.bytes_flipped(path.read_bytes(), chance))
    again: Outgoing | None = None
    try:
        again = Outgoing(path)
        again.state("node", BUNDLE, BUNDLE)
        again.note("node", BUNDLE, BUNDLE, "sending")
        again.stored("node", BUNDLE, ["pins"])
        assert again.pins_owed("pins") == [BUNDLE]
    except Unavailable:
        pass
    finally:
        if again is not None:
            again.close()
