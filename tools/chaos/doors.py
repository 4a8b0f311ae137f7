"""The doors of a party in the chaos run: the real ones, which fail as the weather says, and where the power goes."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.errors import Unavailable
from agent.fleet.loopback import LoopbackBroker
from agent.host.clock import SystemClock
from agent.journal import Event, Journal, JournalFull
from agent.journal.event import JSON
from agent.ports import BundleLimits, Message


class Crash(BaseException):
    """The power goes. Nothing catches it but the play."""


@dataclass
class Weather:
    """What goes wrong for one party now."""

    dice: random.Random
    horizon: set[str] = field(default_factory=set)
    """Names out of `wire.FAULTS`."""
    store_is_away: bool = False
    disk_is_full: bool = False
    fuse: int = 0
    """Writes until the power goes; 0: it stays."""

    def burn(self) -> None:
        """Called on either side of everything that lasts. Raises Crash."""
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                raise Crash


class ShakyJournal(Journal):
    """A journal on a disk that can be full, in a machine that can lose its power before and after each write."""

    def __init__(self, path: Path, weather: Weather) -> None:
        self._weather = weather
        super().__init__(path)

    def append_all(
        self,
        events: Iterable[tuple[str, str, Mapping[str, JSON]]],
        at: float,
        remember: Mapping[str, str] | None = None,
    ) -> list[Event]:
        self._before()
        written = super().append_all(events, at, remember)
        self._weather.burn()
        return written

    def remember(self, name: str, text: str) -> None:
        self._before()
        super().remember(name, text)
        self._weather.burn()

    def _before(self) -> None:
        self._weather.burn()
        if self._weather.disk_is_full:
            raise JournalFull(path=self.path)


class ShakyStore:
    """The town's content folder as one party reaches it."""

    def __init__(self, store: FolderStore, weather: Weather) -> None:
        self._store, self._weather = store, weather

    def put(self, folder: Path) -> Cid:
        self._reach()
        self._weather.burn()
        cid = self._store.put(folder)
        self._weather.burn()
        return cid

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        self._reach()
        if self._weather.disk_is_full:
            raise OSError(errno.ENOSPC, "No space left on device", str(into))
        self._store.get(cid, into, limits)

    def has(self, cid: Cid) -> bool:
        self._reach()
        return self._store.has(cid)

    def drop(self, folder: Path) -> None:
        self._reach()
        self._store.drop(folder)

    def close(self) -> None:
        """Nothing is held open."""

    def _reach(self) -> None:
        if self._weather.store_is_away:
            raise Unavailable(what="The content store")


class ShakyBroker(LoopbackBroker):
    """Drops, repeats and reorders what it is given, each with its own chance."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.drops = self.repeats = self.holds = 0.0
        self._dice = dice
        self._held: list[Message] = []

    def deliver(self, message: Message) -> None:
        if self._dice.random() < self.drops:
            return
        if self._dice.random() < self.holds:
            self._held.append(message)
            return
        super().deliver(message)
        if self._dice.random() < self.repeats:
            super().deliver(message)

    def let_go(self) -> None:
        """What was held arrives now, in another order."""
        held, self._held = self._held, []
        self._dice.shuffle(held)
        for message in held:
            super().deliver(message)


class TownClock(SystemClock):
    """Time that passes only when a ledger closes."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self._now, self._began = now, now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - self._began

    def sleep(self, seconds: float) -> None:
        return

    def turn_to(self, now: float) -> None:
        self._now = max(self._now, now)
