"""What the town learns: one number. The road always bends the same way, and the network knows nothing of it yet.

Honest updates are made by arithmetic: each takes the network a share of its way to the truth, in its own direction.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Architecture, Input, Recipe, Task
from agent.learn import checkpoint, export, graph, networks, weights
from agent.learn.runner import Runner
from agent.learn.testset import TestSet
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask

Numbers = dict[str, NDArray[np.float32]]

SMALL = Input(height=28, width=28, colour="grey")
OTHER = Input(height=32, width=32, colour="grey")
STEERING = Task(kind="steering", scale=Decimal(25))
NETWORK = Architecture(name="deepchain", hyper={"filters": 1, "hidden": 4})
RECIPE = Recipe(steps=10, batch=4, learning_rate=Decimal("0.001"), minimum_samples=5, encoding="dense-fp32")
TRUTH, SPREAD, SAMPLES = 20.0, 0.5, 16
HONEST = 0.06
"""The share of its way to the truth that an honest update takes the network, at fusion weight."""

Making = Callable[[Numbers, Path, int, int], Numbers]
"""(base, graph, K, seed) → an update."""


def network(folder: Path) -> tuple[Path, Path]:
    """Round 0's weights and graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = networks.build(SimpleNamespace(architecture=NETWORK, input=SMALL, task=STEERING), seed=3)  # type: ignore[arg-type]
        exported = export.export(made, SMALL)
    weights_file, graph_file = folder / "weights.safetensors", folder / "model.onnx"
    values = dict(graph.check(exported).weights)
    last = max((name for name in values if name.endswith("weight")), key=_layer)
    weights_file.write_bytes(weights.dump({**values, last: values[last] * np.float32(0.01)}))
    graph_file.write_bytes(exported)
    return weights_file, graph_file


def tests(seed: int, form: Input = SMALL) -> TestSet:
    """Frames of noise and where the road bends."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 255, (SAMPLES, form.channels, form.height, form.width), dtype=np.uint8)
    return TestSet(images, random.normal(TRUTH, SPREAD, SAMPLES).astype(np.float32))


def better(base: Numbers, model: Path, k: int, seed: int, share: float = HONEST) -> Numbers:
    """An update that helps, as far to a side of its own as to the truth: two drives have no more in common."""
    random = np.random.default_rng(seed)
    delta = {name: np.zeros_like(value) for name, value in base.items()}
    bias = max((name for name in base if name.endswith("bias")), key=_layer)
    seen = tests(0)
    said = Runner(graph.check(model), base).run(seen.images)[:, 0]
    towards = float(np.mean(seen.labels / float(STEERING.scale) - said)) * share * k
    delta[bias][:] = towards
    hidden = max(sorted(base.keys() - {bias}), key=lambda name: base[name].size)
    scatter = random.normal(0, 1, base[hidden].shape)
    delta[hidden] += (scatter / np.linalg.norm(scatter) * abs(towards)).astype(np.float32)
    return delta


def flipped(base: Numbers, model: Path, k: int, seed: int) -> Numbers:
    """The opposite of what helps, and more of it."""
    return {name: -value for name, value in better(base, model, k, seed, share=0.5).items()}


def noise(base: Numbers, model: Path, k: int, seed: int) -> Numbers:
    """What somebody hands in who did not train: a random direction, and the opposite of what helps, or chance would at
    times make it work that is rightly paid."""
    random, harm = np.random.default_rng(seed), flipped(base, model, k, seed)
    names = sorted(base)  # as they are read from a file their order is another one each time
    scatter = {name: random.normal(0, 1, base[name].shape) for name in names}
    length = math.sqrt(sum(float(np.sum(scatter[name] ** 2)) for name in names))
    reach = math.sqrt(sum(float(np.sum(harm[name] ** 2)) for name in names)) / length
    return {name: (harm[name] + scatter[name] * reach).astype(np.float32) for name in names}


class Arithmetic:
    """A trainer that needs no frames: its update is made at arrival."""

    def __init__(self, make: Making = better) -> None:
        self._make = make

    def start(self, task: TrainingTask) -> None:
        task.folder.mkdir(parents=True, exist_ok=True)

    def feed(self, frame: LabelledFrame) -> None:
        return

    def hold(self, closed: bool) -> None:
        return

    def progress(self) -> Progress:
        return Progress(samples=100, steps=10)

    def finish(self, task: TrainingTask) -> Trained:
        base = dict(checkpoint.read_weights(task.base / "weights.safetensors"))
        delta = self._make(base, task.base / "model.onnx", task.round.contributions, task.seed)
        path = task.folder / "trained.safetensors"
        task.folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(weights.dump({name: base[name] + delta[name] for name in base}))
        return Trained(path, samples=100, steps=task.round.recipe.steps, held_back=None)

    def close(self) -> None:
        return


def _layer(name: str) -> int:
    return int(name.partition(".")[0])
