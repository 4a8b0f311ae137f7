"""Talks to systemd: ready, status, watchdog, stopping (sd_notify(3)). Without systemd nothing is sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """sd_notify over the socket that systemd named. A message that cannot be sent is dropped."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """The daemon serves. Type=notify units count as started from now on."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def watchdog(self) -> None:
        """The loop turned. Call this from the loop itself: a thread would live on when the loop hangs."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.sendto(message.encode(), self._address)
        except OSError:
            # systemd restarts a service whose watchdog falls silent; there is nothing better to do here.
            return
