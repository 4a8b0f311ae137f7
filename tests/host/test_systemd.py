from __future__ import annotations

import os
import socket
from pathlib import Path

from agent.host.systemd import Notifier


def test_systemd_hears_that_the_daemon_is_ready_turns_and_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})
        notifier.ready("waiting for a trip")
        notifier.watchdog()
        notifier.status("training")
        notifier.stopping()
        heard = [systemd.recv(1000).decode() for _ in range(4)]
    assert heard == ["READY=1\nSTATUS=waiting for a trip", "WATCHDOG=1", "STATUS=training", "STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0milepost-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@milepost-test-{os.getpid()}"}).watchdog()
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).watchdog()
