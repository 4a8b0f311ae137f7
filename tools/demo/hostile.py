"""`python -m tools.demo.hostile CONFIG`: the real vehicle daemon with a trainer that lies.

It takes frames and says that it trained, and hands over the base with noise on it. Everything else (trip, stake,
signatures, upload) is the agent's own code, because that is what a dishonest operator would run.
"""

from __future__ import annotations

import sys

import numpy as np

from agent.cli.daemon import run_until_told
from agent.compose.vehicle import vehicle
from agent.host.config import load
from agent.learn import checkpoint, weights
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask

NOISE = 1.0
"""Of each layer's own spread."""


class NoiseTrainer:
    def __init__(self) -> None:
        self._frames = 0

    def start(self, task: TrainingTask) -> None:
        task.folder.mkdir(parents=True, exist_ok=True)

    def feed(self, frame: LabelledFrame) -> None:
        self._frames += 1

    def hold(self, closed: bool) -> None:
        pass

    def progress(self) -> Progress:
        return Progress(samples=self._frames, steps=self._frames, device="none")

    def finish(self, task: TrainingTask) -> Trained:
        base = checkpoint.read_weights(task.base / "weights.safetensors")
        rng = np.random.default_rng(task.seed)
        noisy = {
            name: value + rng.normal(0, NOISE * float(value.std() + 0.01), value.shape).astype(np.float32)
            for name, value in base.items()
        }
        path = task.folder / "trained.safetensors"
        path.write_bytes(weights.dump(noisy))
        claimed = max(self._frames, task.round.recipe.minimum_samples)
        return Trained(path, claimed, task.round.recipe.steps, None)

    def close(self) -> None:
        pass


if __name__ == "__main__":
    config = load(sys.argv[1])
    run_until_told(lambda clock: vehicle(config, clock, dict, NoiseTrainer()))
