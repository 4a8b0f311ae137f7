"""The DeepChain paper's experiment (Weng et al. 2019, section 5): parties with 5,500 samples of MNIST each share what
they learn every 15 of 1,500 iterations.

Beside it a bare loop: the same network, batches, optimiser and averaging in one process with nothing else.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from agent.learn import networks
from agent.learn.testset import TestSet
from tools.bench import mnist
from tools.bench.vehicles import Weights, figure, fused, initial, publish, vehicle

SAMPLES, ITERATIONS, SHARED_EVERY = 5500, 1500, 15
MEMORY = Path("/dev/shm")  # noqa: S108 - where files cost no disk
"""For the agents' files: four cars share this machine's one disk here, and would not on the road."""
RATE = 0.004
"""Learning rate of the first round; it falls to nought along a quarter of a cosine, as initiators do."""


def rate(number: int, rounds: int) -> float:
    return RATE * math.cos(0.5 * math.pi * number / rounds)


@click.command()
@click.option("--parties", default=4, show_default=True, help="Parties, with 5,500 samples each.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of the idx files.")
@click.option("--iterations", default=ITERATIONS, show_default=True, help="Steps of each party.")
@click.option("--threads", default=1, show_default=True, help="CPU threads.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(parties: int, data: Path, iterations: int, threads: int, as_json: bool) -> None:
    """The DeepChain paper's experiment on MNIST."""
    torch.set_num_threads(threads)
    train, test = mnist.read(data, "train"), mnist.read(data, "t10k")
    shares = [
        TestSet(train.images[at : at + SAMPLES], train.labels[at : at + SAMPLES])
        for at in range(0, parties * SAMPLES, SAMPLES)
    ]
    rounds = iterations // SHARED_EVERY
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        agents, bare = Agents(shares, Path(folder) / "agents"), Bare(shares)
        alone = Agents(shares[:1], Path(folder) / "alone")
        for number in range(rounds):
            # In turns, so that whatever else this machine does slows both alike.
            for party in (agents, bare, alone):
                began = time.perf_counter()
                party.share(number, rate(number, rounds))
                party.seconds += time.perf_counter() - began
    result = {
        "parties": parties,
        "accuracy": figure(agents.weights, agents.round, test),
        "baseline": figure(alone.weights, agents.round, test),
        "bare_accuracy": figure(bare.weights, agents.round, test),
        "seconds": round(agents.seconds, 2),
        "bare_seconds": round(bare.seconds, 2),
        "ratio": round(agents.seconds / bare.seconds, 3),
    }
    click.echo(f"{parties} parties, {rounds} rounds of {SHARED_EVERY} steps; accuracy on {len(test)} test images:")
    click.echo("fused {accuracy:.4f}, one party alone {baseline:.4f}, bare loop {bare_accuracy:.4f}".format(**result))
    click.echo("{seconds} s, the bare loop {bare_seconds} s: {ratio} times".format(**result))
    if as_json:
        click.echo(json.dumps(result))


class Agents:
    """Milepost's own training, updates and fusion."""

    def __init__(self, shares: Sequence[TestSet], folder: Path) -> None:
        self.round = mnist.a_round(SHARED_EVERY, RATE)
        self.bundle = folder / "bundle"
        self.cars = [vehicle(share, self.round, folder / f"car{i}", seed=i) for i, share in enumerate(shares)]
        self.weights: Weights = initial(self.round)
        self.seconds = 0.0

    def share(self, number: int, learning_rate: float) -> None:
        this = mnist.a_round(SHARED_EVERY, learning_rate)
        publish(this, self.weights, self.bundle)
        self.weights = fused(
            self.bundle, [car.contribute(this, self.bundle, number, "dense-fp32") for car in self.cars]
        )


class Bare:
    """What one would write by hand: torch's Adam, tensors in memory, a mean of state dicts."""

    def __init__(self, shares: Sequence[TestSet]) -> None:
        self.network = networks.build(mnist.a_round(SHARED_EVERY, RATE), seed=0).to(memory_format=torch.channels_last)
        self.data = [(torch.tensor(share.images), torch.tensor(share.labels).long()) for share in shares]
        self.state = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.random = torch.Generator().manual_seed(0)
        self.seconds = 0.0

    @property
    def weights(self) -> Weights:
        return {name: value.numpy() for name, value in self.state.items()}

    def share(self, number: int, learning_rate: float) -> None:
        mean = {name: torch.zeros_like(value) for name, value in self.state.items()}
        for images, labels in self.data:
            self.network.load_state_dict(self.state)
            adam = torch.optim.Adam(self.network.parameters(), lr=learning_rate, fused=True)
            for _ in range(SHARED_EVERY):
                chosen = torch.randint(len(labels), (64,), generator=self.random)
                loss = torch.nn.functional.cross_entropy(self.network(images[chosen]), labels[chosen])
                adam.zero_grad()
                loss.backward()
                adam.step()
            for name, value in self.network.state_dict().items():
                mean[name] += value / len(self.data)
        self.state = mean
