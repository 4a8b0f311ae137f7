"""A bad link on loopback: a proxy in user space that shapes what passes to a rate, loses segments, and goes down.

It stands above TCP, so a lost segment cannot be seen as such: it costs what TCP pays for it, one round trip and the
same bytes once more. An outage cuts every connection and refuses new ones.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

_SEGMENT_BYTES = 1448


class BadLink:
    """`with BadLink(url) as link:` and talk to `link.url` instead. Rate, loss and counters hold for each direction."""

    def __init__(
        self,
        url: str,
        bits_per_second: float = 1e6,
        loss: float = 0.02,
        round_trip_seconds: float = 0.1,
        seed: int = 0,
    ) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._seconds_per_byte = 8 / bits_per_second
        self._loss = loss
        self._round_trip_seconds = round_trip_seconds
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._down_until = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.up_bytes = 0
        """Sent towards the target, headers and repeats included."""
        self.down_bytes = 0

    def __enter__(self) -> BadLink:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut(0)

    def cut(self, seconds: float) -> None:
        """Go down now, for so long."""
        with self._lock:
            self._down_until = time.monotonic() + seconds
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self._down_until:
                near.close()
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        free_at = time.monotonic()
        with suppress(OSError):
            while segment := source.recv(_SEGMENT_BYTES):
                repeats = 1 + (self._random.random() < self._loss)
                free_at = max(free_at, time.monotonic()) + repeats * len(segment) * self._seconds_per_byte
                free_at += (repeats - 1) * self._round_trip_seconds
                if (wait := free_at - time.monotonic()) > 0.005:
                    time.sleep(wait)
                sink.sendall(segment)
                if up:
                    self.up_bytes += repeats * len(segment)
                else:
                    self.down_bytes += repeats * len(segment)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            self._open.discard(source)
        source.close()
