"""Pay against Shapley's value, computed exactly over all coalitions of eight cars: U(S) = -loss(base + the sum over S
of update / 8) on G (Shapley 1953; Ghorbani and Zou 2019)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.core.ids import StakeId
from agent.learn.judging import RollEntry
from agent.learn.weights import Weights
from tools.bench.market import digits
from tools.bench.market.play import judged
from tools.bench.market.world import Samples, World

CARS, ROUNDS = 8, 6
Numbers = NDArray[np.float64]


def exact(world: World, base: Weights, updates: list[Weights]) -> Numbers:
    """One value an update."""
    count = len(updates)
    worth = np.zeros(1 << count)
    for mask in range(1 << count):
        inside = [updates[i] for i in range(count) if mask >> i & 1]
        at = {name: array + sum((one[name] for one in inside), np.float32(0)) / count for name, array in base.items()}
        worth[mask] = -world.kind.losses(at, world.on_global).mean()
    value = np.zeros(count)
    for i in range(count):
        for mask in range(1 << count):
            if not mask >> i & 1:
                size = mask.bit_count()
                weight = 1 / (count * math.comb(count - 1, size))
                value[i] += weight * (worth[mask | 1 << i] - worth[mask])
    return value


def compared(world: World, seed: int, rounds: int = ROUNDS) -> tuple[float, Numbers, Numbers]:
    """Spearman's correlation, mean over rounds; each car's pay and value, summed over rounds."""
    base, last = world.kind.initial(seed), None
    found, pay, value = [], np.zeros(len(world.cars)), np.zeros(len(world.cars))
    for number in range(rounds):
        updates = world.kind.trained(base, [*world.cars, world.root], 1000 * seed + number)
        root = updates.pop()
        entries = [RollEntry(1, StakeId(str(i)), update) for i, update in enumerate(updates)]
        roll = judged(world, base, entries, root, last, f"shapley/{seed}/{number}".encode())
        paid, worth = np.array([one.credit for one in roll.entries], float), exact(world, base, updates)
        found.append(spearman(paid, worth))
        pay, value = pay + paid, value + worth
        if roll.candidate is not None:
            last = {name: roll.candidate.weights[name] - base[name] for name in base}
            base = roll.candidate.weights
    return float(np.mean(found)), pay, value


def spearman(one: Numbers, other: Numbers) -> float:
    """Of the ranks, ties at their mean."""
    ranks = [np.array([(v < x).sum() + ((v == x).sum() - 1) / 2 for x in v]) for v in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if all(rank.std() for rank in ranks) else 0.0


def dirichlet(data: Path, seed: int) -> World:
    return digits.world(data, digits.dirichlet(CARS, "0.3", seed), seed)


def rare(data: Path, seed: int) -> World:
    """The first car alone has the last two classes."""
    shares = np.zeros((CARS, digits.CLASSES))
    shares[1:, : digits.CLASSES - 2] = digits.dirichlet(CARS - 1, "1.0", seed)[:, : digits.CLASSES - 2]
    shares[0, digits.CLASSES - 2 :] = 1
    return digits.world(data, shares / shares.sum(axis=1, keepdims=True), seed)


def noisy(data: Path, seed: int) -> World:
    """All have all classes; each has more wrong labels than the one before it."""
    made = digits.world(data, digits.dirichlet(CARS, "iid", seed), seed)
    rng, cars = np.random.default_rng(seed), []
    for i, car in enumerate(made.cars):
        wrong = rng.random(len(car)) < i / CARS
        labels = np.where(wrong, rng.integers(0, digits.CLASSES, len(car)), car.labels)
        cars.append(Samples(car.images, labels))
    return dataclasses.replace(made, cars=tuple(cars))


WORLDS: dict[str, Callable[[Path, int], World]] = {"dirichlet": dirichlet, "rare": rare, "noisy": noisy}
