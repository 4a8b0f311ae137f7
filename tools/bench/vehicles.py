"""Vehicles that train by the agent's own loop, send encoded updates and are fused: rounds without a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Round
from agent.learn import checkpoint, graph, loop, networks
from agent.learn.checkpoint import Checkpoint
from agent.learn.device import Device
from agent.learn.export import export
from agent.learn.fusion import Momentum, fuse
from agent.learn.samples import Reservoir, Samples
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.learn.update import decode, encode
from agent.ports import TrainingTask

Weights = dict[str, NDArray[np.float32]]


@dataclass(slots=True)
class Vehicle:
    """One car: what it has seen, where it keeps its checkpoint, and what its last update left out."""

    samples: Samples
    folder: Path
    seed: int
    residual: Weights | None = field(default=None, repr=False)

    def train(self, round: Round, bundle: Path, number: int) -> Weights:
        """The weights after one round's steps from the bundle's on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.samples.seed = 1000 * self.seed + number
        task = TrainingTask(folder=self.folder, base=bundle, round=round, seed=self.seed)
        for _ in loop.train(task, self.samples, Checkpoint(), loop.Options(checkpoint_s=3600)):
            pass
        trained = checkpoint.load(self.folder)
        assert trained is not None  # noqa: S101 (the loop ends with a checkpoint)
        return trained.weights

    def contribute(self, round: Round, bundle: Path, number: int, encoding: str) -> bytes:
        """`update.safetensors`, as it would travel."""
        base = checkpoint.read_weights(bundle / "weights.safetensors")
        encoded = encode(encoding, base, self.train(round, bundle, number), self.residual)
        self.residual = encoded.residual
        return encoded.data


def vehicle(data: TestSet, round: Round, folder: Path, seed: int) -> Vehicle:
    """A car that has seen exactly these samples."""
    samples = Samples(round.input, megabytes=0, seed=seed)
    images = np.ascontiguousarray(data.images.transpose(0, 2, 3, 1))
    samples.trip = Reservoir(images, data.labels.copy(), seed, added=len(data))
    return Vehicle(samples, folder, seed)


def fused(
    bundle: Path, updates: Sequence[bytes], rule: str = "weighted-mean", momentum: Momentum | None = None
) -> Weights:
    """The next round's weights out of the updates, each with the same say."""
    base = checkpoint.read_weights(bundle / "weights.safetensors")
    return fuse(rule, base, [decode(update, base) for update in updates], [1] * len(updates), momentum)


def publish(round: Round, weights: Weights, folder: Path) -> None:
    """The next round's bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "round.json").write_bytes(round.to_bytes())
    checkpoint.write_weights(folder / "weights.safetensors", weights)


def initial(round: Round) -> Weights:
    return loop.weights(networks.build(round, seed=0))


def figure(weights: Weights, round: Round, test: TestSet) -> float:
    """The task's figure, as a validator measures it."""
    checked = graph.check(export(networks.build(round), round.input))
    return Scorer(checked, round.task, Device(threads=2)).score(weights, test.images, test.labels).figure
