"""Encoded updates against dense ones: bytes a vehicle and round, and what is learnt in the end, on MNIST (DeepChain's
network, 4 clients) and on a real drive.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from agent.core.round import Round
from agent.learn.testset import TestSet
from tools.bench import deepchain, drives, fusion, mnist
from tools.bench.plain_round import SPEC
from tools.bench.vehicles import Weights, figure, fused, initial, publish, vehicle

DENSE = "dense-fp32"


@dataclass(frozen=True, slots=True)
class Run:
    """What an encoding cost and led to."""

    figure: float
    bytes: float
    """Of one update, on average."""
    plain: int
    """What its numbers take as float32, unpacked."""


@click.command()
@click.option("--mnist", "digits", type=click.Path(path_type=Path, exists=True), help="Folder of the idx files.")
@click.option("--drive", type=click.Path(path_type=Path, exists=True), help="A recorded drive.")
@click.option("--encoding", default="topk1-int8", show_default=True, help="What is measured on MNIST.")
@click.option("--drive-encoding", default="topk5-int4", show_default=True, help="What is measured on the drive.")
@click.option("--rounds", default=100, show_default=True, help="Rounds of 15 steps on MNIST.")
@click.option("--drive-rounds", default=160, show_default=True, help="Rounds of 20 steps on the drive.")
@click.option("--threads", default=1, show_default=True, help="CPU threads.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(
    digits: Path | None,
    drive: Path | None,
    encoding: str,
    drive_encoding: str,
    rounds: int,
    drive_rounds: int,
    threads: int,
    as_json: bool,
) -> None:
    """Encoded updates against dense ones, on MNIST and a real drive."""
    import torch

    torch.set_num_threads(threads)
    result: dict[str, float | str] = {}
    if digits is not None:
        train, test = mnist.read(digits, "train"), mnist.read(digits, "t10k")
        size = deepchain.SAMPLES
        shares = [drives.part(train, at, at + size) for at in range(0, 4 * size, size)]

        def digit_round(number: int) -> Round:
            return mnist.a_round(deepchain.SHARED_EVERY, deepchain.rate(number, rounds))

        dense, small = (run(shares, test, digit_round, rounds, name) for name in (DENSE, encoding))
        result |= {
            "mnist_encoding": encoding,
            "mnist_ratio": round(dense.plain / small.bytes, 1),
            "mnist_ratio_to_packed_dense": round(dense.bytes / small.bytes, 1),
            "mnist_dense_accuracy": dense.figure,
            "mnist_accuracy": small.figure,
            "mnist_points_lost": round(100 * (dense.figure - small.figure), 2),
        }
    if drive is not None:
        stretches, unseen = drives.split([drives.read(drive, SPEC)], 2)

        def drive_round(number: int) -> Round:
            return fusion.a_round(20, 25, fusion.RATE * math.cos(0.5 * math.pi * number / drive_rounds))

        dense, small = (run(stretches, unseen, drive_round, drive_rounds, name) for name in (DENSE, drive_encoding))
        result |= {
            "drive_encoding": drive_encoding,
            "drive_ratio": round(dense.plain / small.bytes, 1),
            "drive_ratio_to_packed_dense": round(dense.bytes / small.bytes, 1),
            "drive_dense_rmse": round(dense.figure, 3),
            "drive_rmse": round(small.figure, 3),
            "drive_error_growth": round(small.figure / dense.figure - 1, 4),
        }
    if as_json:
        click.echo(json.dumps(result))


def run(shares: Sequence[TestSet], test: TestSet, a_round: Callable[[int], Round], rounds: int, encoding: str) -> Run:
    """One vehicle per share through all rounds; `a_round` says what is published as which."""
    sent = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cars = [vehicle(share, a_round(0), folder / f"car{i}", seed=i) for i, share in enumerate(shares)]
        weights: Weights = initial(a_round(0))
        for number in range(rounds):
            this = a_round(number)
            publish(this, weights, folder / "bundle")
            updates = [car.contribute(this, folder / "bundle", number, encoding) for car in cars]
            sent += sum(len(update) for update in updates)
            weights = fused(folder / "bundle", updates)
    each = sent / rounds / len(cars)
    reached = figure(weights, a_round(0), test)
    click.echo(f"{encoding}: {each:.0f} bytes an update, {reached:.4f} after {rounds} rounds")
    return Run(reached, each, plain=sum(array.nbytes for array in weights.values()))
