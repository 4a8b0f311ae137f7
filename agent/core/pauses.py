"""How long to leave alone what did not work: twice as long each time. Times are ledger seconds, so that a restart and a
wrong clock change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

FIRST_S, LONGEST_S = 2, 600


class Pauses:
    """By name. Text goes out and comes back in, for the journal."""

    def __init__(self, text: str = "") -> None:
        self._held: dict[str, tuple[int, int]] = dict(_read(text))

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def is_over(self, name: str, now: int) -> bool:
        """Whether it may be tried now; so may what never failed."""
        until, length = self._held.get(name, (now, 0))
        return now >= until or until > now + length  # a ledger that was set back makes no pause longer

    def failed(self, name: str, now: int, longest_s: int = LONGEST_S) -> None:
        """`longest_s`: what it may cost to come back too late to what was mended meanwhile."""
        _, length = self._held.get(name, (0, 0))
        length = max(FIRST_S, min(2 * length, longest_s, LONGEST_S))
        self._held[name] = (now + length, length)

    def forget(self, name: str) -> None:
        self._held.pop(name, None)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all others."""
        self._held = {name: self._held[name] for name in names if name in self._held}

    def text(self) -> str:
        return json.dumps(self._held, sort_keys=True, separators=(",", ":"))


def _read(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """What is not in this form is no pause: the worst that follows is one try too early."""
    try:
        held = json.loads(text or "{}")
        for name, (until, length) in held.items():
            yield str(name), (int(until), min(int(length), LONGEST_S))
    except (ValueError, TypeError, AttributeError):
        return
