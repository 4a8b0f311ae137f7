"""Vehicles that keep their own stretch of road, fused round by round, against each alone and against one machine that
has all frames. Every one makes the same number of steps at the same learning rates; the figure is RMSE in degrees on
frames that none saw.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import click
import numpy as np

from agent.core.round import Round
from agent.learn.fusion import Momentum
from agent.learn.testset import TestSet
from tools.bench import drives
from tools.bench.plain_round import SPEC, plain_round
from tools.bench.vehicles import Weights, figure, fused, initial, publish, vehicle

RATE = 0.001
BATCH = 32


@click.command()
@click.option("--drives", "first", type=drives.FOLDER, required=True, metavar="DIR...", help="Recorded drives.")
@click.argument("more", type=drives.FOLDER, nargs=-1, metavar="")
@click.option("--vehicles", default=4, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--steps", default=40, show_default=True, help="Steps of each vehicle in a round.")
@click.option("--width", default=25, show_default=True, help="PilotNet's width in per cent.")
@click.option("--rule", default="weighted-mean", show_default=True, help="Fusion rule.")
@click.option(
    "--momentum", default="0.5", show_default=True, help="The share of the last step that is taken once more."
)
@click.option("--encoding", default="dense-fp16", show_default=True, help="How updates travel.")
@click.option("--threads", default=1, show_default=True, help="CPU threads.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(
    first: Path,
    more: tuple[Path, ...],
    vehicles: int,
    rounds: int,
    steps: int,
    width: int,
    rule: str,
    momentum: str,
    encoding: str,
    threads: int,
    as_json: bool,
) -> None:
    """Fused vehicles against each alone and against central training."""
    import torch

    torch.set_num_threads(threads)
    stretches, unseen = drives.split([drives.read(folder, SPEC) for folder in (first, *more)], vehicles)
    everything = TestSet(
        np.concatenate([stretch.images for stretch in stretches]),
        np.concatenate([stretch.labels for stretch in stretches]),
    )

    def run(shares: Sequence[TestSet], name: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            weights = trained(shares, rounds, steps, width, Fusion(rule, Decimal(momentum), encoding), Path(folder))
        rmse = figure(weights, a_round(steps, width, RATE), unseen)
        click.echo(f"{name}: {rmse:.3f} degrees")
        return rmse

    fused_rmse, central = run(stretches, "fused"), run([everything], "central")
    alone = [run([stretch], f"vehicle {i} alone") for i, stretch in enumerate(stretches)]
    click.echo(f"fused over central: {fused_rmse / central:.3f}; best alone: {min(alone):.3f}")
    result = {
        "vehicles": vehicles,
        "rounds": rounds,
        "steps": rounds * steps,
        "unseen": len(unseen),
        "nothing": round(float(np.sqrt(np.mean(unseen.labels**2))), 3),
        "fused": round(fused_rmse, 3),
        "central": round(central, 3),
        "alone": [round(rmse, 3) for rmse in alone],
    }
    if as_json:
        click.echo(json.dumps(result))


def a_round(steps: int, width: int, learning_rate: float) -> Round:
    rate = f"{learning_rate:.6f}"
    return plain_round(steps=steps, batch=BATCH, learning_rate=rate, hyper={"width_percent": width})


@dataclass(frozen=True, slots=True)
class Fusion:
    """How rounds follow from updates."""

    rule: str
    momentum: Decimal
    encoding: str


def trained(shares: Sequence[TestSet], rounds: int, steps: int, width: int, how: Fusion, folder: Path) -> Weights:
    """The weights after all rounds. One share alone is a machine that fuses with nobody: its own weights go on."""
    first = a_round(steps, width, RATE)
    cars = [vehicle(share, first, folder / f"car{i}", seed=i) for i, share in enumerate(shares)]
    weights, before = initial(first), None
    for number in range(rounds):
        this = a_round(steps, width, RATE * math.cos(0.5 * math.pi * number / rounds))
        publish(this, weights, folder / "bundle")
        updates = [car.contribute(this, folder / "bundle", number, how.encoding) for car in cars]
        step = Momentum(how.momentum, before) if before is not None and len(cars) > 1 else None
        before, weights = weights, fused(folder / "bundle", updates, how.rule, step)
    return weights
