"""Killed, cut off or torn: what was reported as written is there, and nothing else is."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent import errors
from agent.journal import AlreadyRunning, Journal

_WRITER = """
import sys
from pathlib import Path
from agent.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open", flush=True)
while True:
    last = journal.append_all([("job", "pair", {"x": "y" * 700}), ("job", "pair", {})], at=0.0)[-1]
    print(last.seq, flush=True)
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_at_random_while_appending_nothing_acknowledged_is_lost_and_no_half_transaction_stays(
    tmp_path: Path,
) -> None:
    path, luck, acknowledged = tmp_path / "journal.db", random.Random(7), 0
    for _ in range(6):
        with start_writer(path) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            for _ in range(luck.randrange(1, 60)):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                acknowledged = int(line)
        journal = Journal(path)
        seqs = [event.seq for event in journal.events()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) % 2 == 0
        assert acknowledged <= len(seqs) <= acknowledged + 2
        assert journal.check() == []
        journal.close()


@pytest.mark.parametrize("seed", range(8))
def test_a_torn_write_ahead_log_loses_only_its_end(tmp_path: Path, seed: int) -> None:
    journal = Journal(tmp_path / "a" / "journal.db")
    for _ in range(40):
        journal.append_all([("job", "pair", {"x": "y" * 500}), ("job", "pair", {})], at=0.0)
    copy = tmp_path / "b"
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):  # as the power cut left them: no clean close
        shutil.copyfile(tmp_path / "a" / name, copy / name)
    journal.close()
    log, luck = copy / "journal.db-wal", random.Random(seed)
    data = bytearray(log.read_bytes())
    cut = luck.randrange(len(data))
    if seed % 2:
        data[cut : cut + 64] = luck.randbytes(min(64, len(data) - cut))
    else:
        del data[cut:]
    log.write_bytes(data)
    torn = Journal(copy / "journal.db")
    seqs = [event.seq for event in torn.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) % 2 == 0
    assert torn.check() == []
    assert torn.append("job", "again", {}, at=0.0).seq == len(seqs) + 1
    torn.close()


def test_a_second_agent_on_the_same_state_directory_is_turned_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with start_writer(path) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(AlreadyRunning, match=str(writer.pid)) as caught:
            Journal(path)
        assert caught.value.exit_code == errors.TRY_AGAIN
        writer.kill()
    Journal(path).close()


def test_the_lock_is_given_back_when_opening_fails(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"rubbish " * 1000)
    with pytest.raises(errors.MilepostError, match="damaged"):
        Journal(path)
    path.unlink()
    Journal(path).close()
