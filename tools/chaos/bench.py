"""A validator of the town."""

from __future__ import annotations

from collections.abc import Sequence

from stellar_sdk import Keypair

from agent.core.ids import AccountId, CidText
from agent.fleet.loopback import LoopbackLink
from agent.host.logs import Log
from agent.learn.device import HERE
from agent.ports import BundleLimits
from agent.validator.book import ReviewBook
from agent.validator.committee import EVERYTHING, Committee
from agent.validator.daemon import Validator
from agent.validator.daemon import ValidatorParts as ValidatorParts
from agent.validator.guard import Guard
from agent.validator.measurement import Measurement
from agent.validator.porter import Porter
from agent.validator.reviewing import Reviewing
from agent.validator.rounds import Rounds
from agent.validator.settling import Settling
from agent.validator.vectors import Vectors
from tools.chaos import lesson
from tools.chaos.daemon import Daemon, Tally
from tools.chaos.ground import Ground


class Witness(Guard):
    """The daemon's own guard, which also tells the tally what nobody foresaw."""

    def __init__(self, log: Log, who: str, tally: Tally) -> None:
        super().__init__(log)
        self._who, self._tally = who, tally

    def _say(self, name: str, error: Exception) -> None:
        self._tally.guarded(self._who, error)
        super()._say(name, error)


class AtOnce(Porter):
    """Bundles are fetched when they are asked for: one thread, one order of events."""

    def send(self, cid: CidText, limits: BundleLimits) -> None:
        if not self.asked(cid):
            self._fetch(cid, limits)


class Bench(Daemon):
    """A validator."""

    def __init__(
        self, name: str, ground: Ground, key: Keypair, tally: Tally, initiators: Sequence[AccountId], number: int
    ) -> None:
        super().__init__(name, ground, key, tally)
        self._initiators, self.number = tuple(initiators), number
        self.private_set = self.folder / "private.safetensors"
        self.mend()
        self.validator: Validator

    def mend(self) -> None:
        self.private_set.write_bytes(lesson.tests(self.number).dump())

    def open(self) -> None:
        horizon, shelf = self.horizon(), self.shelf(64)
        self._journal = journal = self.journal("reviews.sqlite")
        self._horizon = horizon
        self._link = link = LoopbackLink(self.ground.broker, (EVERYTHING,))
        book = ReviewBook(journal)
        rounds = Rounds(horizon, shelf, self._initiators, self.key)
        guard, clock = Witness(self.log, self.name, self.tally), self.ground.clock
        vectors = Vectors(self.folder / "updates")
        measurement = Measurement(shelf, self.key, self.private_set, vectors, HERE)
        porter = AtOnce(shelf.store, shelf.folder)
        settling = Settling(horizon, shelf, self.key, Committee(link, self.account), book, rounds, self.log)
        self.validator = Validator(
            ValidatorParts(
                horizon=horizon,
                book=book,
                rounds=rounds,
                reviewing=Reviewing(
                    horizon, shelf, book, rounds, measurement, porter, guard, clock, self.log, settling
                ),
                settling=settling,
                guard=guard,
                link=link,
                clock=clock,
                log=self.log,
                account=self.account,
                state_dir=self.folder,
                poll_s=1.0,
            )
        )

    def turn(self) -> None:
        self.validator.turn()

    def drop(self) -> None:
        self._link.close()
        self._journal.close()
        self._horizon.close()
