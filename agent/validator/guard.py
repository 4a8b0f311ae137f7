"""Nothing that a piece of the daemon's work raises ends the daemon, and no piece holds up the others.

What a stranger can cause (an entry, a message, a Horizon's answer) is unlimited; so is what can go wrong with it. Each
piece of work runs under its own name, is counted when it fails, and is left alone for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from agent.errors import MilepostError, Unavailable
from agent.host.logs import Log
from agent.validator.measurement import CannotJudge

T = TypeVar("T")


class Guard:
    """The daemon's one `except Exception`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said: dict[str, str] = {}
        self._failures: Counter[str] = Counter()

    def __call__(self, name: str, work: Callable[[], T]) -> T | None:
        """What the work gives; None when it failed, which its name `failed` then."""
        try:
            done = work()
        except Exception as error:
            self._failures[name] += 1
            self._say(name, error)
            return None
        self._said.pop(name, None)
        return done

    def failed(self, name: str) -> bool:
        """Whether the last try came to nothing."""
        return name in self._said

    def keep(self, prefix: str, names: Iterable[str]) -> None:
        """Forget all others that begin so, with what is told of them after a colon: they are over."""
        left = set(names)
        for name in {*self._said, *self._failures}:
            if not name.startswith(prefix) or name.partition(":")[0] in left:
                continue
            self._said.pop(name, None)
            self._failures.pop(name, None)

    @property
    def troubles(self) -> list[str]:
        """A sentence for everything that does not work now."""
        return [
            why if self._failures[name] == 1 else f"{why} ({self._failures[name]} times.)"
            for name, why in self._said.items()
        ]

    def _say(self, name: str, error: Exception) -> None:
        """Each sentence once, until another takes its place."""
        why = str(error) if isinstance(error, MilepostError) else _unforeseen(name, error)
        if self._said.get(name) == why:
            return
        self._said[name] = why
        if isinstance(error, Unavailable):
            self._log.warning("validator.waiting", what=name, why=why)
        elif isinstance(error, CannotJudge):
            self._log.error("validator.cannot_judge", why, what=name)
        else:
            self._log.error("validator.failed", why, what=name)


def _unforeseen(name: str, error: Exception) -> str:
    said = " ".join(str(error).split())[:160]
    return f"{name} was passed over: {type(error).__name__}{f' ({said})' if said else ''}. It is tried again."
