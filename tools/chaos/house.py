"""An initiator of the town: it publishes its model, and closes a round whenever one is due."""

from __future__ import annotations

import contextlib
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.ids import AccountId
from agent.core.money import Asset
from agent.errors import MilepostError, TryAgain, Unavailable
from agent.initiator.book import RoundBook
from agent.initiator.fusing import close as close_round
from agent.initiator.plan import Plan
from agent.initiator.publishing import Publisher
from agent.market.entry import credit_asset
from tools.chaos import lesson
from tools.chaos.bent_line import BentHorizon
from tools.chaos.daemon import Daemon, Tally
from tools.chaos.doors import ShakyStore
from tools.chaos.ground import AFTER_S, Ground


class NotYet(TryAgain):
    """The next ledger"""


class HouseLine(BentHorizon):
    """An initiator's line, which may be held back from publishing."""

    holds_back = False

    def hand_in(self, envelope: str) -> None:
        if self.holds_back:
            raise Unavailable(what="Horizon")
        super().hand_in(envelope)


class House(Daemon):
    """An initiator, which sees to its round every few ledgers."""

    def __init__(self, name: str, ground: Ground, key: Keypair, tally: Tally, plan: Plan) -> None:
        super().__init__(name, ground, key, tally)
        self.plan = plan
        self.test_set = self.folder / "global.safetensors"
        self.test_set.write_bytes(lesson.tests(0).dump())
        self._is_founding = True
        self.holds_back = False
        """A round that is stored is not published while this is so."""
        self.publisher: Publisher

    @property
    def dlm(self) -> Asset:
        return Asset(f"DLM{self.plan.name}", self.publisher.book.account.issuer or self.account)

    @property
    def vlm(self) -> Asset:
        return credit_asset(self.dlm)

    def open(self) -> None:
        ground = self.ground
        self.line = line = HouseLine(ground.net.url, ground.net.passphrase, ground.exchange, self.weather)
        self._journal = self.journal("rounds.sqlite")
        self.publisher = Publisher(
            plan=self.plan,
            horizon=line,
            store=ShakyStore(self.ground.store, self.weather),
            shelf=self.shelf(256),
            keypair=self.key,
            book=RoundBook(self._journal),
            folder=self.folder / "made",
            test_set=self.test_set,
            fee=1000,
            say=lambda said: self.log.event("press", said=said),
            wait=self._wait,
        )

    def _wait(self) -> None:
        """A turn ends where the initiator would wait for a ledger; the next one goes on there."""
        if not self._is_founding:
            raise NotYet
        self.ground.close(AFTER_S)

    def first(self, weights_file: Path, graph_file: Path) -> None:
        """Settlement account and round 0, in calm weather."""
        self.open()
        self.is_open = True
        self.ground.allow(self.publisher.set_up())
        self.publisher.first(weights_file, graph_file)
        self._is_founding = False

    def turn(self) -> None:
        self.line.holds_back = self.holds_back
        with contextlib.suppress(MilepostError):
            close_round(self.publisher)

    @property
    def settlement(self) -> AccountId:
        return self.publisher.book.settlement or AccountId("")

    def drop(self) -> None:
        self._journal.close()
        self.line.close()
