"""Rounds of a market without a ledger: updates go through the product's own judging, fusion and gate, and are paid by
README's money."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from agent.core.ids import StakeId
from agent.core.money import UNIT
from agent.learn import fusion
from agent.learn.judging import JudgedEntry, JudgedRoll, RollEntry, Rules, judge_roll
from agent.learn.losses import ALL, Score
from agent.learn.weights import Weights
from tools.bench.market.attacks import Attack, Round
from tools.bench.market.world import Samples, World

REWARD, STAKE_XLM, FEE_XLM = 40.0, 10 * 0.5, 0.5 * 0.5
"""README's plan, a DLC at half a XLM."""
GAIN_SHARE, TOLERANCE = 0.05, 0.97


@dataclass(slots=True)
class Tally:
    """What became of the entries of one kind."""

    accepted: int = 0
    idle: int = 0
    rejected: int = 0
    xlm: float = 0.0
    unfused_paid: int = 0

    def take(self, other: Tally) -> None:
        self.accepted += other.accepted
        self.idle += other.idle
        self.rejected += other.rejected
        self.xlm += other.xlm
        self.unfused_paid += other.unfused_paid

    def count(self, one: JudgedEntry) -> None:
        self.accepted += one.outcome == "accepted"
        self.idle += one.outcome == "idle"
        self.rejected += one.outcome == "rejected"
        self.unfused_paid += bool(one.credit) and not one.fused
        self.xlm += REWARD * one.credit / UNIT - (STAKE_XLM if one.outcome == "rejected" else FEE_XLM)

    @property
    def entries(self) -> int:
        return self.accepted + self.idle + self.rejected

    @property
    def each(self) -> float:
        return self.xlm / max(1, self.entries)


@dataclass(slots=True)
class Market:
    """What a run came to."""

    weights: Weights
    honest: Tally = field(default_factory=Tally)
    hostile: Tally = field(default_factory=Tally)
    by_car: list[Tally] = field(default_factory=list)
    published: int = 0


def play(world: World, rounds: int, seed: int, attack: Attack | None = None, hostile: int = 0) -> Market:
    """The last `hostile` cars attack."""
    base, last_step = world.kind.initial(seed), None
    count = len(world.cars)
    market = Market(base, by_car=[Tally() for _ in world.cars])
    for number in range(rounds):
        cars = list(world.cars)
        if attack is not None and attack.poison is not None:
            cars[count - hostile :] = [attack.poison(world, car) for car in cars[count - hostile :]]
        if attack is not None and attack.one_drive:
            cars[count - hostile :] = [cars[count - hostile]] * hostile
        updates = world.kind.trained(base, [*cars, world.root], 1000 * seed + number)
        root = updates.pop()
        if attack is not None and attack.update is not None:
            honest, own = updates[: count - hostile], updates[count - hostile :]
            made = Round(base, honest, own, last_step, world, np.random.default_rng(seed * 77 + number))
            updates[count - hostile :] = attack.update(made)
        late = attack is not None and attack.late
        entries = [
            RollEntry(1 + int(late and i >= count - hostile), StakeId(f"{number}-{_draw(seed, number, i)}-{i}"), update)
            for i, update in enumerate(updates)
        ]
        roll = judged(world, base, entries, root, last_step, f"{seed}/{number}".encode())
        for one in roll.entries:
            car = int(one.entry.rpartition("-")[2])
            liar = attack is not None and car >= count - hostile
            for tally in (market.hostile if liar else market.honest, market.by_car[car]):
                tally.count(one)
        if roll.candidate is not None:
            last_step = {name: roll.candidate.weights[name] - base[name] for name in base}
            base = roll.candidate.weights
            market.published += 1
    market.weights = base
    return market


def judged(
    world: World, base: Weights, entries: Sequence[RollEntry], root: Weights, last_step: Weights | None, seed: bytes
) -> JudgedRoll:
    def on(samples: Samples) -> Score:
        return lambda weights, part: world.kind.losses(weights, samples.at(part))

    score = on(world.on_global)
    seed = hashlib.sha256(seed).digest()
    gain_reference = GAIN_SHARE * float(score(base, ALL).mean())
    rules = Rules(TOLERANCE, gain_reference, pledge=len(entries) * UNIT, voice=UNIT)
    return judge_roll(
        base,
        entries,
        score,
        seed=seed,
        rules=rules,
        root=root,
        last_step=last_step,
        private=on(world.private),
        watch=world.kind.watch(base, world.on_global, int.from_bytes(seed[:8], "big")),
    )


def plain(world: World, rounds: int, seed: int) -> Weights:
    """The plain mean of all honest updates, round by round."""
    base = world.kind.initial(seed)
    for number in range(rounds):
        updates = world.kind.trained(base, [*world.cars, world.root], 1000 * seed + number)[:-1]
        base = fusion.fuse("weighted-mean", base, updates, [Fraction(1)] * len(updates))
    return base


def _draw(seed: int, number: int, car: int) -> str:
    """An entry's id: nobody chooses it."""
    return hashlib.sha256(f"{seed}/{number}/{car}".encode()).hexdigest()[:16]
