"""A town whose rounds have an arbiter, and a committee that says nothing."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from stellar_sdk import Keypair, Payment

from agent.core.cid import Cid
from agent.core.dispute import Dispute
from agent.core.documents import Vote
from agent.core.ids import CidText, StakeId
from agent.core.jobs.hearing import Heard, Hearing
from agent.core.money import UNIT, XLM, Stroops, text
from agent.core.round import Round
from agent.disputes.asking import Asker
from agent.disputes.book import ASKED, HEARD, ArbiterBook, AskedBook
from agent.disputes.daemon import Arbiter
from agent.disputes.decisions import Decision, Decisions
from agent.disputes.hearing import Docket
from agent.disputes.ruling import Bench
from agent.host.clock import ManualClock
from agent.host.logs import Log
from agent.initiator import pay_trail
from agent.journal import Journal
from agent.ledger.envelope import sdk_asset
from agent.ledger.keys import account_of
from agent.market import disputes, entry, rulings
from agent.market.bundle import Shelf
from agent.market.listing import publication
from tests.market.town import REVIEW_S, Town, found
from tools.localnet.server import Localnet

ARBITRATION: Stroops = 5 * UNIT


@dataclass
class Court:
    town: Town
    folder: Path
    key: Keypair
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.arbiter = self.opened()

    @property
    def round(self) -> Round:
        return self.town.round

    @property
    def until(self) -> int:
        assert self.round.pledge is not None
        return self.round.pledge.until

    def opened(self) -> Arbiter:
        """The arbiter, new or started again over what it wrote down."""
        town, log = self.town, Log("debug", self.log, journald=False)
        (self.folder / HEARD).parent.mkdir(parents=True, exist_ok=True)
        book = ArbiterBook(Journal(self.folder / HEARD))
        shelf = Shelf(self.folder / "bundles", town.store)
        docket = Docket(town.horizon, shelf, book, account_of(self.key), UNIT, log)
        bench = Bench(town.horizon, shelf, book, Decisions(self.folder), self.key, 1000, log)
        return Arbiter(docket, bench, ManualClock(), log, 6)

    def restart(self) -> None:
        self.close()
        self.arbiter = self.opened()

    def close(self) -> None:
        self.arbiter.bench.book.journal.close()

    def turn(self, turns: int = 1) -> None:
        for _ in range(turns):
            self.arbiter.turn()

    def at(self, moment: int) -> None:
        self.town.net.close_ledger(close_time=moment)

    def hearing(self, entry_id: str) -> Hearing:
        """The newest about an entry."""
        return [each for each in self.arbiter.bench.book.hearings if about(each) == entry_id][-1]

    @property
    def hearings(self) -> list[Hearing]:
        return self.arbiter.bench.book.hearings

    def decide(self, entry_id: str, credit: Stroops, reason: str = "looked at it") -> None:
        Decisions(self.folder).decide(StakeId(entry_id), Decision(credit=credit, reason=reason))

    def rulings(self) -> list[rulings.Made]:
        shelf = self.arbiter.bench.shelf
        return list(rulings.of(self.town.horizon, shelf, self.round, CidText(self.town.cid)))

    def faults(self) -> list[str]:
        """What an audit says of the round's pay."""
        town = self.town
        made = publication(town.horizon, self.round, CidText(town.cid))
        assert made is not None
        shelf = self.arbiter.bench.shelf
        return [
            *pay_trail.faults(town.horizon, self.round, made),
            *rulings.faults(town.horizon, shelf, self.round, CidText(town.cid)),
        ]

    # --- cars

    def unjudged(self, car: Keypair | None = None, contribution: Cid | None = None) -> tuple[Keypair, str]:
        """A car whose entry nobody judged, and which has its stake back; the entry's id."""
        (made,) = self.all_unjudged([(car, contribution)])
        return made

    def all_unjudged(self, cars: list[tuple[Keypair | None, Cid | None]]) -> list[tuple[Keypair, str]]:
        town, entered = self.town, []
        for seed, (car, contribution) in enumerate(cars, start=1):
            key = car or town.driver()
            made = contribution or town.contribution(key, town.better(seed=seed))
            entered.append((key, town.enter(key, made)))
        town.net.close_ledger(advance=REVIEW_S + 60)
        for key, stake in entered:
            self.take_back(key, stake)
        return entered

    def take_back(self, car: Keypair, stake: str) -> None:
        self.town.apply(entry.closing(entry.EntryTerms.of(self.round), take_back=stake), car)

    def asker(self, key: Keypair) -> Asker:
        folder = self.folder / "askers" / key.public_key
        (folder / ASKED).parent.mkdir(parents=True, exist_ok=True)
        return Asker(
            horizon=self.town.horizon,
            shelf=Shelf(folder / "bundles", self.town.store),
            keypair=key,
            book=AskedBook(Journal(folder / ASKED)),
            fee=1000,
            say=lambda _: None,
            wait=lambda: self.town.net.close_ledger() and None,
        )

    def ask(self, key: Keypair, entry_id: str, reason: str = "nobody judged it", votes: tuple[Vote, ...] = ()) -> None:
        asker = self.asker(key)
        try:
            asker.ask(CidText(self.town.cid), StakeId(entry_id), reason, votes)
        finally:
            asker.book.journal.close()

    def pay(self, key: Keypair, dispute: Dispute | bytes, amount: Stroops = ARBITRATION) -> str:
        """As a stranger to our rules does: whatever is asked is paid for. The payment's hash."""
        memo = dispute if isinstance(dispute, bytes) else disputes.pin(dispute, self.town.store).digest
        made = self.town.apply([Payment(self.key.public_key, sdk_asset(XLM), text(amount))], key, memo=memo)
        return made.hash

    def xlm(self, account: str) -> Stroops:
        held = self.town.horizon.account(account)
        assert held is not None
        return held.lines[XLM].balance


def about(hearing: Hearing) -> str:
    heard = hearing.newest(Heard)
    return heard.entry if heard else ""


def court(net: Localnet, folder: Path) -> Court:
    key = Keypair.random()
    net.fund(key.public_key)
    town = found(net, folder / "town", arbiter={"account": key.public_key, "fee": text(ARBITRATION)})
    return Court(town, folder / "court", key)
