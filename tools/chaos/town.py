"""Who lives in the town: three initiators, eight vehicles, and two committees that share members, each with a hostile
minority of less than a third."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from stellar_sdk import Keypair
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.documents import Contribution
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.round import RoundState
from agent.core.ledger import Way
from agent.core.money import UNIT, Asset, Stroops, text
from agent.core.round import Round
from agent.initiator.plan import Plan
from agent.learn import update, weights
from agent.ledger.envelope import stake_id
from agent.ledger.keys import account_of
from agent.market import bundle, entry, sealed
from agent.market.bundle import Shelf
from tools.chaos import lesson
from tools.chaos.bench import Bench
from tools.chaos.books import Books
from tools.chaos.car import Car
from tools.chaos.daemon import Tally
from tools.chaos.doors import Weather
from tools.chaos.ground import Ground
from tools.chaos.house import House
from tools.chaos.lesson import Numbers

HONEST_CARS, LYING_CARS = 6, 2
OWNED = 4
"""Honest cars that pay an owner; the others keep what they earn."""
VALIDATORS = 9
FIVE, SEVEN = range(0, 5), range(2, 9)
"""The committees, by validators' numbers: three sit on both."""
LIARS = (4, 8)
"""Number 4 sits on both committees: one of five, two of seven."""
REVIEW_S, TURN_S, COLLECT_S = 1800, 20, 20
"""A window of half a plan's default, and faults of 10 to 35 ledgers, often several at a time: where five of seven are
needed and two of them are hostile, every honest validator that is away holds all up."""
BASE, FEE, REWARD = 10 * UNIT, UNIT // 2, 40 * UNIT


class Town:
    def __init__(self, ground: Ground) -> None:
        self.ground, self.tally = ground, Tally()
        ground.found()
        self.judges = [ground.key() for _ in range(VALIDATORS)]
        masters = [ground.key() for _ in range(3)]
        drivers = [ground.key() for _ in range(HONEST_CARS + LYING_CARS)]
        owners = [ground.key() for _ in range(OWNED)]
        ground.fund(*self.judges, *masters, *owners)
        for start in range(0, len(drivers), 8):
            ground.enrol(*drivers[start : start + 8])
        weights_file, graph_file = lesson.network(ground.folder)
        five, seven = ([account_of(self.judges[i]) for i in seats] for seats in (FIVE, SEVEN))
        plans = (("alder", masters[0], five), ("birch", masters[1], seven), ("cedar", masters[2], five))
        self.houses = [House(name, ground, key, self.tally, self.plan(name, seats)) for name, key, seats in plans]
        self.hostile_house = self.houses[2]
        for house in self.houses:
            house.first(weights_file, graph_file)
        follow = [account_of(key) for key in masters]
        names = [f"car{n}" for n in range(HONEST_CARS)]
        paid = [*(account_of(key) for key in owners), *([None] * (HONEST_CARS - OWNED))]
        self.cars = [
            Car(name, ground, key, self.tally, follow, owner=owner)
            for name, key, owner in zip(names, drivers, paid, strict=False)
        ]
        lies = (lesson.noise, lesson.flipped)
        liars = zip(drivers[HONEST_CARS:], lies, strict=True)
        self.lying_cars = [Car(f"liar{n}", ground, k, self.tally, follow, lie) for n, (k, lie) in enumerate(liars)]
        self.benches = [
            Bench(f"bench{n}", ground, self.judges[n], self.tally, follow, n + 1)
            for n in range(VALIDATORS)
            if n not in LIARS
        ]
        self.liars = [self.judges[n] for n in LIARS]
        self.shelf = Shelf(ground.folder / "shelf", ground.store, keep=256)
        self.books = Books(ground)
        ground.closed.append(self.books.read)
        self.fair: Counter[str] = Counter()
        """Account → XLM that is its due for honest work within an attack."""

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.close()

    # --- who is who

    @property
    def daemons(self) -> list[Car | Bench | House]:
        return [*self.houses, *self.cars, *self.lying_cars, *self.benches]

    @property
    def honest(self) -> set[AccountId]:
        return {car.account for car in self.cars}

    @property
    def rewards(self) -> dict[Asset, Stroops]:
        """VLM of the honest initiators → XLM for one."""
        return {house.vlm: house.plan.reward_stroops for house in self.houses[:2]}

    @property
    def settlements(self) -> dict[str, House]:
        return {house.settlement: house for house in self.houses}

    def round_of(self, house: House) -> tuple[CidText, Round]:
        """The newest round that is open."""
        jobs = [job for job in house.publisher.book.rounds if job.state is RoundState.OPEN]
        cid = jobs[-1].cid
        return cid, self.shelf.round(cid)

    def plan(self, name: str, committee: Sequence[AccountId], **other: Any) -> Plan:
        values: dict[str, Any] = {
            "name": name,
            "committee": tuple(committee),
            "reward": text(REWARD),
            "budget": "800",
            "contributions": 3,
            "review_window": REVIEW_S,
            "turn": TURN_S,
            "collect": COLLECT_S,
            "length": 240,
            "gain_share": "0.05",
            "stake": {
                "asset": str(self.ground.dlc),
                "base": text(BASE),
                "fee": text(FEE),
                "window_ledgers": 100_000,
            },
            "task": lesson.STEERING,
            "architecture": lesson.NETWORK,
            "input": lesson.SMALL,
            "recipe": lesson.RECIPE,
        }
        return Plan(**{**values, **other})

    # --- what an attacker makes by hand

    def straw(self) -> Keypair:
        """A new account that may hold DLC and has some."""
        key = self.ground.key()
        self.ground.enrol(key)
        return key

    def numbers(self, cid: CidText, seed: int, make: lesson.Making = lesson.better) -> Numbers:
        folder = self.shelf.get(cid, bundle.ROUND_LIMITS)
        return make(self.base(cid), folder / bundle.GRAPH, self.shelf.round(cid).contributions, seed)

    def base(self, cid: CidText) -> Numbers:
        return dict(weights.load((self.shelf.get(cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes()))

    def contribution(self, owner: Keypair, cid: CidText, delta: Numbers | bytes) -> Path:
        """Laid out as a vehicle would, and not stored."""
        round_, base = self.shelf.round(cid), self.base(cid)
        data = delta
        if not isinstance(data, bytes):
            data = update.encode("dense-fp32", base, {name: base[name] + data[name] for name in base}).data
        readers = (*round_.committee, round_.initiator)
        ciphertext, boxes = sealed.seal(data, bundle.update_purpose(cid, account_of(owner)), readers)
        document = Contribution(
            model=round_.model,
            base=cid,
            vehicle=account_of(owner),
            samples=100,
            steps=10,
            planned=10,
            encoding="dense-fp32",
            encoding_error=Decimal(0),
            keys=boxes,
            software="chaos",
            profile="chaos",
        )
        home = self.ground.folder / "desk" / self.ground.dice.randbytes(6).hex()
        home.parent.mkdir(exist_ok=True)
        return bundle.lay(home, {bundle.CONTRIBUTION: document.to_bytes(), bundle.UPDATE: ciphertext})

    def entry(self, key: Keypair, round_: Round, stake: Stroops) -> list[Operation]:
        account = self.ground.line.account(account_of(key))
        assert account is not None  # noqa: S101
        return entry.entry(round_, account, stake, Way(0), self.ground.now)

    def enter(self, key: Keypair, cid: CidText, memo: Cid, stake: Stroops = BASE) -> StakeId:
        """An ordinary entry; its stake's id."""
        operations = self.entry(key, self.shelf.round(cid), stake)
        made = self.ground.apply(operations, key, memo=memo.digest)
        return stake_id(made.envelope, self.ground.net.passphrase, len(operations) - 1)

    def weather(self, name: str) -> Weather:
        return next(daemon.weather for daemon in self.daemons if daemon.name == name)
