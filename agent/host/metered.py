"""Whether the link is metered, as NetworkManager has it. Asked in the background, never waited for."""

from __future__ import annotations

import subprocess
import time

_PROPERTY = (
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
)
_ASK = ["busctl", "--system", "--timeout=5", "get-property", *_PROPERTY, "Metered"]

_ANSWERS = {"u 1": True, "u 2": False, "u 3": True, "u 4": False}
"""NMMetered: 1 yes, 2 no, 3 guessed yes, 4 guessed no, 0 unknown."""


class Metered:
    """The last answer. `every_s`: how old it may grow before NetworkManager is asked again."""

    def __init__(self, ask: list[str] = _ASK, every_s: float = 30.0) -> None:
        self._ask = ask
        self._every_s = every_s
        self._asked = -every_s
        self._pending: subprocess.Popen[str] | None = None
        self._answer: bool | None = None

    def poll(self) -> bool | None:
        """Returns at once. None: unknown, or no NetworkManager here."""
        if self._pending and self._pending.poll() is not None:
            self._answer = _ANSWERS.get(self._pending.communicate()[0].strip())
            self._pending = None
        elif not self._pending and time.monotonic() - self._asked >= self._every_s:
            self._asked = time.monotonic()
            self._pending = self._start()
        return self._answer

    def _start(self) -> subprocess.Popen[str] | None:
        try:
            return subprocess.Popen(self._ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError:
            self._every_s = float("inf")  # no busctl, no NetworkManager: do not ask again
            return None
