"""Whether the link is metered, as NetworkManager has it. Asked in the background, never waited for."""

from __future__ import annotations

import subprocess
import threading
import time

_PROPERTY = (
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
)
_ASK = ("busctl", "--system", "--timeout=5", "get-property", *_PROPERTY, "Metered")

_ANSWERS = {"u 1": True, "u 2": False, "u 3": True, "u 4": False}
"""NMMetered: 1 yes, 2 no, 3 guessed yes, 4 guessed no, 0 unknown."""


class Metered:
    """The last answer. `every_s`: how old it may grow before NetworkManager is asked again."""

    def __init__(self, ask: tuple[str, ...] = _ASK, every_s: float = 30.0) -> None:
        self._ask = ask
        self._every_s = every_s
        self._asked = -every_s
        self._asking: threading.Thread | None = None
        self._answer: bool | None = None

    def poll(self) -> bool | None:
        """Returns at once. None: unknown, or no NetworkManager here."""
        due = time.monotonic() - self._asked >= self._every_s
        if due and not (self._asking and self._asking.is_alive()):
            self._asked = time.monotonic()
            self._asking = threading.Thread(target=self.refresh, name="metered", daemon=True)
            self._asking.start()
        return self._answer

    def refresh(self) -> None:
        """Ask now, and wait for the answer."""
        try:
            told = subprocess.run(self._ask, capture_output=True, text=True, timeout=10, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            told = ""
        self._answer = _ANSWERS.get(told.strip())
