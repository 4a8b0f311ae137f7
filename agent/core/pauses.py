"""How long to leave alone what did not work: twice as long each time, up to a longest pause. The one rule for all that
is tried again: sources, blocks, steps, rounds, reviews."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Backoff(Generic[N]):
    """Pauses from `first` to `longest`, each twice the one before. In seconds or in ledgers: one unit for both."""

    first: N
    longest: N

    def after(self, pause: N) -> N:
        """The pause that follows this one; after none (0) the first."""
        return min(2 * pause, self.longest) if pause else self.first

    def few(self, count: int) -> tuple[N, ...]:
        """The first `count` pauses, for what is given up after them."""
        pauses = [self.first]
        while len(pauses) < count:
            pauses.append(self.after(pauses[-1]))
        return tuple(pauses)


SOURCE = Backoff(0.5, 30.0)
"""Seconds before a lost source is tried again."""
REVIEW = Backoff(2, 600)
"""Ledger seconds before a review that failed is tried again."""


class Patience:
    """Pauses before a lost source is tried again, until something worked."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        self._last_s = SOURCE.after(self._last_s)
        return self._last_s

    def reward(self) -> None:
        """It worked: the next loss starts with a short pause again."""
        self._last_s = 0.0


class Pauses:
    """Pauses of what failed, by name, in ledger seconds, so that a restart and a wrong clock change nothing. Text goes
    out and comes back in, for the journal."""

    def __init__(self, text: str = "") -> None:
        self._held: dict[str, tuple[int, int]] = dict(_read(text))

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def is_over(self, name: str, now: int) -> bool:
        """Whether it may be tried now; so may what never failed."""
        until, length = self._held.get(name, (now, 0))
        return now >= until or until > now + length  # a ledger that was set back makes no pause longer

    def failed(self, name: str, now: int, longest_s: int = REVIEW.longest) -> None:
        """`longest_s`: what it may cost to come back too late to what was mended meanwhile."""
        _, length = self._held.get(name, (0, 0))
        length = max(REVIEW.first, min(REVIEW.after(length), longest_s))
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
            yield str(name), (int(until), min(int(length), REVIEW.longest))
    except (ValueError, TypeError, AttributeError):
        return
