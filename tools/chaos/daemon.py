"""A daemon of the town: the product's own objects behind shaky doors, opened again from disk after each crash."""

from __future__ import annotations

import contextlib
import random
import re
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.ids import AccountId
from agent.errors import MilepostError
from agent.host.logs import Log
from agent.ledger.keys import account_of
from agent.market.bundle import Shelf
from tools.chaos.bent_line import BentHorizon
from tools.chaos.doors import Crash, ShakyJournal, ShakyStore, Weather
from tools.chaos.ground import Ground


@dataclass
class Tally:
    """What befell the daemons."""

    died: int = 0
    untyped: int = 0
    crashes: int = 0
    turns: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def death(self, who: str, error: BaseException) -> None:
        self.died += 1
        self.untyped += not isinstance(error, MilepostError)
        self._note(f"{who.rstrip('0123456789')} died", error)

    def guarded(self, who: str, error: Exception) -> None:
        """Something passed a daemon's guard, which took no harm by it."""
        if not isinstance(error, MilepostError):
            self.untyped += 1
            self._note(f"{who.rstrip('0123456789')} passed over", error)

    def _note(self, what: str, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        said = re.sub(r"'[^']*'|[A-Z2-7]{56}|[0-9a-f]{16,}|Qm\w{44}", "…", str(error))[:160]
        self.causes[f"{what}: {type(error).__name__} at {where}: {said}"] += 1


class Daemon(ABC):
    """One daemon's life: `visit` turns it, and opens it again after it went down."""

    def __init__(self, name: str, ground: Ground, key: Keypair, tally: Tally) -> None:
        self.name, self.ground, self.key, self.tally = name, ground, key, tally
        self.weather = Weather(random.Random(ground.dice.random()))
        self.folder = ground.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log_file = (ground.folder / f"{name}.log").open("a")
        self.log = Log("info", self._log_file, journald=False)
        self.is_open = False
        self.down_for = 0
        """Visits until it is started again."""

    @property
    def account(self) -> AccountId:
        return account_of(self.key)

    def visit(self, turns: int = 1) -> None:
        if self.down_for:
            self.down_for -= 1
            return
        try:
            if not self.is_open:
                self.open()
                self.is_open = True
            for _ in range(turns):
                self.tally.turns += 1
                self.turn()
        except Crash:
            self.tally.crashes += 1
            self._down(self.ground.dice.randrange(3))
        except Exception as error:
            self.tally.death(self.name, error)
            self._down(2)

    def crash(self) -> None:
        """The power goes between two turns."""
        if self.is_open:
            self.tally.crashes += 1
            self._down(self.ground.dice.randrange(3))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.drop()
        self._log_file.close()

    def _down(self, visits: int) -> None:
        self.weather.fuse, self.down_for = 0, visits
        self.is_open = False
        with contextlib.suppress(Exception):
            self.drop()

    def horizon(self) -> BentHorizon:
        return BentHorizon(self.ground.net.url, self.ground.net.passphrase, self.ground.exchange, self.weather)

    def shelf(self, keep: int) -> Shelf:
        return Shelf(self.folder / "bundles", ShakyStore(self.ground.store, self.weather), keep=keep)

    def journal(self, name: str) -> ShakyJournal:
        return ShakyJournal(self.folder / name, self.weather)

    @abstractmethod
    def open(self) -> None:
        """From what is on the disk."""

    @abstractmethod
    def turn(self) -> None: ...

    @abstractmethod
    def drop(self) -> None:
        """As a power cut: nothing is said, what is on the disk stays."""
