"""How long to wait before a lost source is tried again."""

from __future__ import annotations

SHORTEST_S = 0.5
LONGEST_S = 30.0


class Patience:
    """Pauses that double from SHORTEST_S to LONGEST_S until something worked."""

    def __init__(self) -> None:
        self._next_s = SHORTEST_S

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_S)
        return pause_s

    def reward(self) -> None:
        """It worked: the next loss starts with a short pause again."""
        self._next_s = SHORTEST_S
