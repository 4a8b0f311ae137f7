"""A card that takes a second to keep a line, as a dying one does, and a clock that nobody has set."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.host import clock
from agent.host.clock import EARLIEST, ManualClock, SystemClock
from agent.journal import Journal

WRITES = """
import sys
from pathlib import Path
from agent.journal import Journal
journal = Journal(Path(sys.argv[1]) / "journal.sqlite")
for number in range(4):
    journal.append("trip", "ballast", {}, 0.0)
print(journal.trouble)
journal.close()
"""


@pytest.mark.slow
def test_a_disk_that_takes_a_second_to_sync_is_told_and_keeps_every_line(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    slow = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]
    slow += ["-e", "inject=fsync,fdatasync:delay_exit=700000"]
    ran = subprocess.run(
        [*slow, sys.executable, "-c", WRITES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    if "ptrace" in ran.stderr.lower():
        pytest.skip("this machine lets nobody trace a process")
    assert "takes more than 0.5 s to keep one line" in ran.stdout, ran.stderr
    journal = Journal(tmp_path / "journal.sqlite")
    assert len(list(journal.events())) == 4
    assert journal.trouble is None
    journal.close()


def test_a_clock_at_1970_is_told_and_the_ledgers_time_counts_until_it_is_set() -> None:
    mine = ManualClock(now=60.0)
    assert "says 1970-01-01" in str(mine.trouble)
    mine.learn(EARLIEST + 1000)
    assert (mine.now(), mine.trouble) == (EARLIEST + 1000, None)
    mine.learn(EARLIEST + 5)
    assert mine.now() == EARLIEST + 1000, "a clock that was set is left alone"


def test_the_machines_clock_learns_a_time_while_its_own_was_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = SystemClock()
    monkeypatch.setattr(clock.time, "time", lambda: 60.0)
    assert mine.now() == 60.0
    mine.learn(EARLIEST + 1000)
    assert EARLIEST + 1000 <= mine.now() < EARLIEST + 1060
    assert mine.trouble is not None, "TLS goes by the machine's own"
    monkeypatch.setattr(clock.time, "time", lambda: EARLIEST + 9e6)
    assert (mine.now(), mine.trouble) == (EARLIEST + 9e6, None)
