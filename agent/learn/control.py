"""The control line between daemon and training child: one JSON object a packet, nothing pickled."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 64 * 1024

DONE, FAILED, DEVICE_LOST = 0, 66, 70
"""How the child ends: as planned; for a reason that would come again; because CUDA gave up. Else it died.
"""


class ControlSocket:
    """One end. Packets are whole or not at all; either side sees when the other is gone."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.gone = False

    @classmethod
    def pair(cls) -> tuple[ControlSocket, ControlSocket]:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(here), cls(there)

    def send(self, message: dict[str, Any]) -> None:
        """Never waits: with nobody reading, the packet is dropped, so each one must say the whole of its
        matter."""
        with contextlib.suppress(OSError):
            self.end.send(json.dumps(message).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What has come in since the last call."""
        while not self.gone:
            try:
                packet = self.end.recv(MOST_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.gone = True
                return
            yield json.loads(packet)

    def first(self, seconds: float) -> dict[str, Any] | None:
        """The first message, waited for."""
        select.select([self.end], [], [], seconds)
        return next(self.messages(), None)

    def close(self) -> None:
        self.end.close()
