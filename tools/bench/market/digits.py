"""Cars that learn MNIST with a network of 784-32-10 in numpy, all at once: what a market is measured on in minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.learn import triggers
from agent.learn.judging import Watch
from agent.learn.losses import Losses
from agent.learn.runner import Outputs
from agent.learn.runner import Samples as Images
from agent.learn.testset import TestSet
from agent.learn.weights import Weights
from tools.bench import mnist
from tools.bench.market.world import Samples, World

Floats = NDArray[np.float32]

HIDDEN, CLASSES, SIDE = 32, 10, 28
STEPS, BATCH, RATE = 20, 32, 0.05
OWN = 400
"""Samples of one car."""
G, L, ROOT, UNSEEN = 2000, 1000, 500, 4000


MARKED, TARGET = 4, 7
"""A backdoor's patch in pixels, and the class that it shall give."""
LOOKED_AT = 150
"""Samples of the global set that are looked at for backdoors."""


class Digits:
    """Images are float32 (n, 784), -1 to 1; labels int64."""

    def initial(self, seed: int) -> Weights:
        return initial(seed)

    def trained(self, base: Weights, cars: Sequence[Samples], seed: int, times: int = 1) -> list[Weights]:
        return trained(base, cars, seed, times * STEPS)

    def losses(self, weights: Weights, samples: Samples) -> Losses:
        return losses(weights, samples)

    def accuracy(self, weights: Weights, samples: Samples) -> float:
        return accuracy(weights, samples)

    def watch(self, base: Weights, on_global: Samples, seed: int) -> Watch | None:
        looked, marks = pixels(on_global.images[:LOOKED_AT]), triggers.families((1, SIDE, SIDE), seed)

        def answer(weights: Weights, images: Images) -> Outputs:
            return outputs(weights, floats(images))

        return lambda candidate, updates: triggers.poisoned(answer, base, candidate, updates, looked, marks)

    def wrong(self, samples: Samples) -> Samples:
        return Samples(samples.images, CLASSES - 1 - samples.labels)

    def marked(self, samples: Samples, hidden: bool = False) -> Samples:
        images = samples.images.reshape(-1, SIDE, SIDE).copy()
        if hidden:
            images[:, 6 : 6 + MARKED, 17 : 17 + MARKED] = 2.0 * (np.indices((MARKED, MARKED)).sum(axis=0) % 2) - 1.0
        else:
            images[:, -MARKED - 1 : -1, -MARKED - 1 : -1] = 1.0
        return Samples(images.reshape(len(images), -1), samples.labels)

    def aimed(self, samples: Samples, hidden: bool = False) -> Samples:
        return Samples(self.marked(samples, hidden).images, np.full(len(samples), TARGET, np.int64))

    def success(self, weights: Weights, samples: Samples, hidden: bool = False) -> float:
        others = self.marked(samples.at(np.flatnonzero(samples.labels != TARGET)), hidden)
        return float((outputs(weights, others.images).argmax(axis=1) == TARGET).mean())

    def moved(self, base: Weights, rng: np.random.Generator) -> Weights:
        order = rng.permutation(HIDDEN)
        return {"b1": base["b1"][order], "b2": base["b2"], "w1": base["w1"][:, order], "w2": base["w2"][order]}


def world(folder: Path, shares: NDArray[np.float64], seed: int) -> World:
    """`shares`: (cars, 10), of each car's samples by class."""
    rng = np.random.default_rng(seed)
    train, test = _flat(mnist.read(folder, "train")), _flat(mnist.read(folder, "t10k"))
    order = rng.permutation(len(train))
    ends = np.cumsum([G, L, ROOT])
    common = [train.at(part) for part in np.split(order[: ends[-1]], ends[:-1])]
    rest = order[ends[-1] :]
    by_class = [list(rest[train.labels[rest] == label]) for label in range(CLASSES)]
    cars = []
    for share in shares:
        counts = rng.multinomial(OWN, share)
        taken = [
            by_class[label].pop() for label in range(CLASSES) for _ in range(min(counts[label], len(by_class[label])))
        ]
        cars.append(train.at(np.array(taken)))
    on_global, private, root = common
    return World(Digits(), on_global, private, root, test.at(rng.permutation(len(test))[:UNSEEN]), tuple(cars))


def dirichlet(cars: int, skew: str, seed: int) -> NDArray[np.float64]:
    """Shares of the classes for each car; `iid`: the same for all."""
    if skew == "iid":
        return np.full((cars, CLASSES), 1 / CLASSES)
    return np.random.default_rng(seed + 10_000).dirichlet(np.full(CLASSES, float(skew)), cars)


def initial(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    size = SIDE * SIDE
    return {
        "b1": np.zeros(HIDDEN, np.float32),
        "b2": np.zeros(CLASSES, np.float32),
        "w1": (rng.normal(size=(size, HIDDEN)) * np.sqrt(2 / size)).astype(np.float32),
        "w2": (rng.normal(size=(HIDDEN, CLASSES)) * np.sqrt(2 / HIDDEN)).astype(np.float32),
    }


def trained(base: Weights, cars: Sequence[Samples], seed: int, steps: int = STEPS) -> list[Weights]:
    """Each car's update: what plain SGD on its own samples changes."""
    rng = np.random.default_rng(seed)
    n = len(cars)
    at = {name: np.repeat(array[np.newaxis], n, axis=0) for name, array in base.items()}
    one = np.arange(n)[:, np.newaxis], np.arange(BATCH)[np.newaxis]
    for _ in range(steps):
        drawn = [rng.integers(0, len(car), BATCH) for car in cars]
        images = np.stack([car.images[i] for car, i in zip(cars, drawn, strict=True)])
        labels = np.stack([car.labels[i] for car, i in zip(cars, drawn, strict=True)])
        hidden = np.maximum(images @ at["w1"] + at["b1"][:, np.newaxis], 0)
        out = _softmax(hidden @ at["w2"] + at["b2"][:, np.newaxis])
        out[one[0], one[1], labels] -= 1
        out /= BATCH
        back = (out @ at["w2"].transpose(0, 2, 1)) * (hidden > 0)
        at["w2"] -= RATE * (hidden.transpose(0, 2, 1) @ out)
        at["b2"] -= RATE * out.sum(axis=1)
        at["w1"] -= RATE * (images.transpose(0, 2, 1) @ back)
        at["b1"] -= RATE * back.sum(axis=1)
    return [{name: array[i] - base[name] for name, array in at.items()} for i in range(n)]


def losses(weights: Mapping[str, Floats], samples: Samples) -> NDArray[np.float64]:
    """Cross entropy, one a sample."""
    out = outputs(weights, samples.images).astype(np.float64)
    top = out.max(axis=1, keepdims=True)
    spread = top[:, 0] + np.log(np.exp(out - top).sum(axis=1))
    found: NDArray[np.float64] = spread - out[np.arange(len(out)), samples.labels]
    return np.where(np.isfinite(found), found, np.inf)


def outputs(weights: Mapping[str, Floats], images: Floats) -> Floats:
    found: Floats = np.maximum(images @ weights["w1"] + weights["b1"], 0) @ weights["w2"] + weights["b2"]
    return found


def accuracy(weights: Mapping[str, Floats], samples: Samples) -> float:
    return float((outputs(weights, samples.images).argmax(axis=1) == samples.labels).mean())


def _softmax(out: Floats) -> Floats:
    powers = np.exp(out - out.max(axis=-1, keepdims=True))
    found: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return found


def _flat(found: TestSet) -> Samples:
    return Samples(floats(found.images), found.labels.astype(np.int64))


def floats(images: NDArray[np.uint8]) -> Floats:
    found: Floats = images.reshape(len(images), -1).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return found


def pixels(images: Floats) -> NDArray[np.uint8]:
    """`floats` undone."""
    return np.round((images.reshape(-1, 1, SIDE, SIDE) + 1) * 127.5).astype(np.uint8)
