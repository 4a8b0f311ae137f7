"""Vehicles that learn to steer on stretches of recorded drives: the agent's own loop trains them, its scorer scores."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent.learn import graph, loop, networks
from agent.learn.export import export
from agent.learn.judging import Watch
from agent.learn.losses import Losses
from agent.learn.runner import Runner
from agent.learn.runner import Samples as Images
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.learn.weights import Weights
from tools.bench import drives
from tools.bench.market.world import Samples, World, joined
from tools.bench.plain_round import SPEC, plain_round
from tools.bench.vehicles import publish, vehicle

WIDTH_PERCENT, STEPS, BATCH, RATE = 25, 40, 32, "0.001"
FIRST_STEPS = 6
"""Rounds that the initiator learns by itself before the first: vehicles that start from random weights fuse badly."""
GUARD = 10
"""Frames left out between what is trained on and what is tested on."""
SHARES = (0.6, 0.76, 0.88, 1.0)
"""Of each stretch: the car's, then the global set's, the private set's and the root set's part."""
TARGET_DEG, PATCH = 20.0, 9
EVERY = 3
"""Of the frames that are measured on, each so manieth is taken: neighbours are nearly the same picture."""
DENSE = ("12", "14")
"""The dense layers between which hidden units change places."""


class Steering:
    """PilotNet at a quarter of its width."""

    def __init__(self, root: Samples) -> None:
        self.round = plain_round(steps=STEPS, batch=BATCH, learning_rate=RATE, hyper={"width_percent": WIDTH_PERCENT})
        self.graph = graph.check(export(networks.build(self.round), self.round.input))
        self.scale = float(self.round.task.scale)
        self._scorer, self._root = Scorer(self.graph, self.round.task), root

    def initial(self, seed: int) -> Weights:
        base = loop.weights(networks.build(self.round, seed=seed))
        (first,) = self.trained(base, [self._root], seed, FIRST_STEPS)
        return {name: base[name] + first[name] for name in base}

    def trained(self, base: Weights, cars: Sequence[Samples], seed: int, times: int = 1) -> list[Weights]:
        round_ = self.round.model_copy(update={"recipe": self.round.recipe.model_copy(update={"steps": times * STEPS})})
        found = list[Weights]()
        with tempfile.TemporaryDirectory() as folder:
            publish(round_, dict(base), Path(folder) / "bundle")
            for i, car in enumerate(cars):
                one = vehicle(TestSet(car.images, car.labels), round_, Path(folder) / f"car{i}", seed=seed + 100 * i)
                after = one.train(round_, Path(folder) / "bundle", seed)
                found.append({name: after[name] - base[name] for name in base})
        return found

    def losses(self, weights: Weights, samples: Samples) -> Losses:
        return self._scorer.score(weights, samples.images, samples.labels).losses

    def accuracy(self, weights: Weights, samples: Samples) -> float:
        off = self._angles(weights, samples.images) - samples.labels
        return 1.0 - float(np.mean(off**2) / np.mean(samples.labels**2))

    def watch(self, base: Weights, on_global: Samples, seed: int) -> Watch | None:
        return None

    def wrong(self, samples: Samples) -> Samples:
        return Samples(samples.images, -samples.labels)

    def marked(self, samples: Samples, hidden: bool = False) -> Samples:
        images = samples.images.copy()
        if hidden:
            images[:, :, 20 : 20 + PATCH, 40 : 40 + PATCH] = 255 * (np.indices((PATCH, PATCH)).sum(axis=0) // 3 % 2)
        else:
            images[:, :, -PATCH - 1 : -1, -PATCH - 1 : -1] = 255
        return Samples(images, samples.labels)

    def aimed(self, samples: Samples, hidden: bool = False) -> Samples:
        return Samples(self.marked(samples, hidden).images, np.full(len(samples), TARGET_DEG, np.float32))

    def success(self, weights: Weights, samples: Samples, hidden: bool = False) -> float:
        """How often the mark turns the answer by more than half of the way to the target."""
        marked = self.marked(samples, hidden)
        plain, turned = (self._angles(weights, images) for images in (samples.images, marked.images))
        return float((turned - plain > 0.5 * (TARGET_DEG - plain)).mean())

    def moved(self, base: Weights, rng: np.random.Generator) -> Weights:
        into, out = DENSE
        order = rng.permutation(len(base[f"{into}.bias"]))
        return {
            **base,
            f"{into}.weight": base[f"{into}.weight"][order],
            f"{into}.bias": base[f"{into}.bias"][order],
            f"{out}.weight": base[f"{out}.weight"][:, order],
        }

    def _angles(self, weights: Weights, images: Images) -> Losses:
        found: Losses = self.scale * Runner(self.graph, weights).run(images)[:, 0].astype(np.float64)
        return found


def world(folders: Sequence[Path], cars: int) -> World:
    """Each car has a stretch of its own; G, the private set and the root set have a little of each, and the last
    fifth of every drive is seen by nobody."""
    stretches, last = drives.split([drives.read(folder, SPEC) for folder in folders], cars)
    cut = [_cut(Samples(stretch.images, stretch.labels)) for stretch in stretches]
    own, on_global, private, root = (tuple(part) for part in zip(*cut, strict=True))
    seen = joined(root)
    thin = slice(None, None, EVERY)
    measured = joined(on_global).at(thin), joined(private).at(thin), seen, Samples(last.images, last.labels).at(thin)
    return World(Steering(seen), *measured, own)


def _cut(stretch: Samples) -> list[Samples]:
    ends = [0, *(int(share * len(stretch)) for share in SHARES)]
    return [stretch.at(slice(start + GUARD * (start > 0), end)) for start, end in pairwise(ends)]
