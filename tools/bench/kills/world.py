"""A small market whose parties are killed again and again: one initiator, a committee of three, two cars and their
owners. The daemons are the product's own, as in the chaos run (`tools.chaos`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.ids import AccountId
from agent.core.jobs.contribution import JobState
from agent.core.jobs.round import RoundJob, RoundState
from agent.core.jobs.settlement import SettlementJob
from agent.core.money import UNIT, XLM, Stroops, stroops, text
from agent.initiator import paying
from agent.initiator.book import SETTLEMENT, Job, new_job
from agent.initiator.fusing import close
from agent.initiator.plan import Plan
from agent.journal import JournalReader
from agent.journal.book import every
from agent.ledger.keys import account_of
from agent.market.bundle import Shelf
from tools.bench.kills.life import DOORS, Strike, drawn, live
from tools.chaos import lesson
from tools.chaos.bench import Bench
from tools.chaos.books import Books
from tools.chaos.car import Car
from tools.chaos.daemon import Tally
from tools.chaos.ground import Ground
from tools.chaos.house import House
from tools.chaos.town import BASE, FEE, REWARD
from tools.localnet.server import Localnet

CARS, JUDGES, ROUNDS = 2, 3, 3
ADDED: Stroops = 40 * UNIT
"""What the initiator adds to each round's pledge."""
STEP_S = 3
PATIENCE = 400
"""Ledgers in which a life must have done what it is for."""
ENTERED = (JobState.ENTERED, JobState.SETTLED, JobState.CLOSING)
LEDGER = {"ledger": 1}
"""The doors of who writes nothing down."""
DEADLY = 0.93
"""Chance that a life is struck."""


class World:
    """`alive` plays one party's part to its end, however often it is killed meanwhile."""

    def __init__(self, net: Localnet, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ground = ground = Ground(net, folder, random.Random(seed))
        ground.found()
        self.tally = Tally()
        self.kills = 0
        self.notes = folder / "kills"
        master, owners = ground.key(), [ground.key() for _ in range(CARS)]
        judges, drivers = [ground.key() for _ in range(JUDGES)], [ground.key() for _ in range(CARS)]
        ground.fund(master, *owners, *judges)
        ground.enrol(*drivers)
        self.owners = [account_of(key) for key in owners]
        follow = [account_of(master)]
        self.house = House("initiator", ground, master, self.tally, self._plan(judges))
        self.cars = [
            Car(f"car{n}", ground, key, self.tally, follow, owner=owner)
            for n, (key, owner) in enumerate(zip(drivers, self.owners, strict=True))
        ]
        self.benches = [Bench(f"judge{n}", ground, key, self.tally, follow, n + 1) for n, key in enumerate(judges)]
        self.shelf = Shelf(folder / "shelf", ground.store, keep=64)
        self.books = Books(ground)
        self.began = {who: self.lumens(who) for who in self._people}
        self.pool = self._pool()

    # --- what is played

    def play(self) -> None:
        """Each part in its turn; at the end everybody has what is theirs."""
        self.alive("set-up", self._set_up)
        account = self._book[SETTLEMENT]
        assert isinstance(account, SettlementJob)  # noqa: S101  (by its id)
        self.ground.allow(account.account)
        for number in range(ROUNDS):
            self.alive("publication", partial(self._publish, number))
            self.alive("addition", partial(self._add, number))
            for car in self.cars:
                self.alive("entry", partial(self._drive, car, number))
            self.alive("settlement", self._settle)
            for car in self.cars:
                self.alive("payout", partial(self._is_paid, car))
        last = self.shelf.round(self.rounds[-1].cid)
        assert last.pledge is not None  # noqa: S101
        self.ground.close(max(1, last.pledge.until - self.ground.now))
        self.alive("reclaim", self._reclaim, LEDGER)

    def alive(self, of: str, part: Callable[[], object], doors: Mapping[str, int] = DOORS) -> None:
        while not live(part, self._strike(doors), self.ground, self.notes, of):
            self.kills += 1
        self.books.read()

    def _strike(self, doors: Mapping[str, int]) -> Strike | None:
        return drawn(self.dice, doors) if self.dice.random() < DEADLY else None

    # --- the parts: each goes on from what is on the disk

    def _set_up(self) -> None:
        weights_file, _ = self._network
        if not weights_file.exists():
            lesson.network(self.ground.folder)
        self._open(self.house)
        self.house.publisher.set_up()

    def _publish(self, number: int) -> None:
        self._open(self.house)
        publisher = self.house.publisher
        if number == 0:
            publisher.first(*self._network)
        elif publisher.book.round(number).state is not RoundState.OPEN:
            made = close(publisher, now=True)
            assert made.published is not None  # noqa: S101

    def _add(self, number: int) -> None:
        """Who is not sure that it was locked looks, and does not ask for more."""
        self._open(self.house)
        publisher = self.house.publisher
        cid = publisher.book.round(number).cid
        done = [job for job in publisher.book.additions if job.state is RoundState.OPEN]
        if len(done) <= number:
            paying.add(publisher, cid, self.shelf.round(cid), ADDED)

    def _reclaim(self) -> None:
        self._open(self.house)
        paying.reclaim(self.house.publisher)

    def _drive(self, car: Car, number: int) -> None:
        """One trip, until its entry is in a ledger."""
        self._open(car)
        book, trip = car.vehicle.parts.book, f"trip-{number + 1:06d}"
        car.drives = book.next_id() == trip

        def entered() -> bool:
            car.drives = book.next_id() == trip
            job = book.open.get(trip)
            return not car.drives and (job is None or job.state in ENTERED)

        self._turn(car.turn, entered)

    def _is_paid(self, car: Car) -> None:
        self._open(car)
        car.drives = False
        self._turn(car.turn, lambda: not car.vehicle.parts.book.open)

    def _settle(self) -> None:
        for bench in self.benches:
            self._open(bench)

        def turn() -> None:
            for bench in self.benches:
                bench.turn()

        self._turn(turn, lambda: not any(bench.validator.parts.book.open for bench in self.benches) and self._judged)

    @property
    def _judged(self) -> bool:
        return not list(self.ground.line.stakes(self.settlement, self.ground.dlc))

    def _turn(self, turn: Callable[[], None], done: Callable[[], bool]) -> None:
        for _ in range(PATIENCE):
            turn()
            if done():
                return
            self.ground.close(STEP_S)
        raise TimeoutError("it never comes to an end")

    @staticmethod
    def _open(daemon: House | Car | Bench) -> None:
        daemon.open()
        daemon.is_open = True

    # --- what is there

    @property
    def _network(self) -> tuple[Path, Path]:
        return self.ground.folder / "weights.safetensors", self.ground.folder / "model.onnx"

    @property
    def _book(self) -> dict[str, Job]:
        return every(JournalReader(self.house.folder / "rounds.sqlite"), new_job)

    @property
    def rounds(self) -> list[RoundJob]:
        """Published ones, oldest first."""
        found = [job for job in self._book.values() if isinstance(job, RoundJob)]
        return [job for job in found if job.state in (RoundState.OPEN, RoundState.CLOSED)]

    @property
    def settlement(self) -> AccountId:
        return self.shelf.round(self.rounds[0].cid).settlement

    @property
    def _people(self) -> list[AccountId]:
        daemons = [self.house, *self.cars, *self.benches]
        return [account_of(self.ground.operator), *self.owners, *(daemon.account for daemon in daemons)]

    def lumens(self, account: AccountId) -> Stroops:
        return self.books.balance(account, XLM)

    @property
    def unaccounted(self) -> Stroops:
        """XLM that were there at the beginning and are with nobody, in no balance, and no fee."""
        round_ = self.shelf.round(self.rounds[0].cid)
        now = sum(self.lumens(who) for who in (*self._people, round_.settlement, round_.issuer))
        locked = sum(stake.amount for stake in self.books.stakes.values() if stake.asset == XLM and not stake.ended_by)
        return sum(self.began.values()) - now - locked - (self._pool() - self.pool)

    def _pool(self) -> Stroops:
        """Fees that the ledger ever took."""
        head = self.ground.line.head().sequence
        return stroops(self.ground.net.get(f"/ledgers/{head}")["fee_pool"])

    def _plan(self, judges: list[Keypair]) -> Plan:
        return Plan(
            name="road",
            committee=tuple(account_of(key) for key in judges),
            reward=text(REWARD),
            budget="400",
            contributions=CARS,
            review_window=1800,
            turn=20,
            collect=20,
            gain_share="0.05",  # type: ignore[arg-type]
            stake={"asset": str(self.ground.dlc), "base": text(BASE), "fee": text(FEE)},  # type: ignore[arg-type]
            task=lesson.STEERING,
            architecture=lesson.NETWORK,
            input=lesson.SMALL,
            recipe=lesson.RECIPE,
        )
