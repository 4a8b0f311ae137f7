"""The one writer, without HTTP around it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.localnet.database import LedgerUnreadable, open_database
from tools.localnet.node import LedgerStopped, Node

PASSPHRASE = "Milepost Test ; 2026"
ROOT = Path(__file__).parents[3]


def test_ledger_time_moves_by_a_second_at_least_and_never_back() -> None:
    times = iter([1000.0, 1000.9, 1000.1, 990.0, 2000.0])
    node = Node(open_database(None, PASSPHRASE), PASSPHRASE, clock=lambda: next(times))
    assert [node.header.close_time, *(node.close().close_time for _ in range(4))] == [1000, 1001, 1002, 1003, 2000]
    node.db.close()


def test_a_full_disk_stops_the_ledger_and_keeps_all_that_had_closed(tmp_path: Path) -> None:
    node = Node(open_database(tmp_path, PASSPHRASE), PASSPHRASE)
    node.close()
    (pages,) = node.db.execute("PRAGMA page_count").fetchone()
    node.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerStopped) as found:
        for _ in range(1000):
            last = node.close()
    assert "full" in str(found.value)
    assert node.failure is not None and node.stopping
    node.db.close()
    again = Node(open_database(tmp_path, PASSPHRASE), PASSPHRASE)
    assert again.header == last
    assert again.close().ledger_seq == last.ledger_seq + 1
    again.db.close()


def test_a_file_that_is_no_ledger_says_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no database " * 1000)
    with pytest.raises(LedgerUnreadable):
        open_database(tmp_path, PASSPHRASE)
    with pytest.raises(LedgerUnreadable):
        open_database(tmp_path / "ledger.sqlite", PASSPHRASE)


@pytest.mark.slow
def test_a_port_that_is_taken_says_so() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "tools.localnet", "--port", str(port)]
        found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 69
    assert found.stderr.startswith(f"Cannot listen on 127.0.0.1 port {port}")
