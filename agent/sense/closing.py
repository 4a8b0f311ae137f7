"""How a thread that listens to a device is told to end."""

from __future__ import annotations

import os
import select
import weakref


class Closing:
    """Set once, by any thread; ends every wait of the listener at once, so that nobody has to look for it."""

    def __init__(self) -> None:
        self._is_set = False
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            weakref.finalize(self, os.close, end)

    def __repr__(self) -> str:
        return f"<Closing {'set' if self._is_set else 'not set'}>"

    def set(self) -> None:
        """Idempotent. The pipe stays full, so that no later wait waits."""
        if not self._is_set:
            self._is_set = True
            os.write(self._writer, b"!")

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Until it is set, `seconds` at most."""
        self.readable(None, seconds)

    def readable(self, device: int | None, seconds: float) -> bool:
        """Whether the file descriptor `device` has something to say within `seconds`, or has hung up. False as soon as
        this is set."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if device is not None:
            poll.register(device, select.POLLIN)
        ready = [end for end, _ in poll.poll(max(0.0, seconds) * 1000)]
        return device in ready and not self._is_set
