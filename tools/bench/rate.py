"""A learning rate that follows what the model has achieved, against a fixed one: vehicles that keep their own stretch
of road, fused round by round. The error that a round's rate follows from is measured on half of the frames that none
saw; the figure reported is RMSE in degrees on the other half.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import click
import numpy as np

from agent.core import decay
from agent.core.round import Decay, Figure, Round
from agent.learn import loop, networks
from agent.learn.testset import TestSet
from tools.bench import drives
from tools.bench.plain_round import SPEC, plain_round
from tools.bench.vehicles import figure, fused, publish, vehicle

BATCH = 32
BLOCK = 60
"""Frames in a row that go to one half of those that none saw: neighbours are nearly the same picture."""


@click.command()
@click.option("--drives", "first", type=drives.FOLDER, required=True, metavar="DIR...", help="Recorded drives.")
@click.argument("more", type=drives.FOLDER, nargs=-1, metavar="")
@click.option("--vehicles", default=4, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--steps", default=40, show_default=True, help="Steps of each vehicle in a round.")
@click.option("--rate", default="0.001", show_default=True, help="The whole learning rate.")
@click.option("--powers", default="1", show_default=True, help="Decays to try, by their power; parted by commas.")
@click.option("--floor", default="0.1", show_default=True, help="The least share of the rate.")
@click.option("--seed", default=1, show_default=True, help="The first seed.")
@click.option("--seeds", default=3, show_default=True, help="How many of them.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(
    first: Path,
    more: tuple[Path, ...],
    vehicles: int,
    rounds: int,
    steps: int,
    rate: str,
    powers: str,
    floor: str,
    seed: int,
    seeds: int,
    as_json: bool,
) -> None:
    """A learning rate that follows the model's error, against a fixed one."""
    import torch

    torch.set_num_threads(1)
    stretches, unseen = drives.split([drives.read(folder, SPEC) for folder in (first, *more)], vehicles)
    global_set, kept = halves(unseen)
    rules: dict[str, Decay | None] = {"fixed": None}
    rules |= {f"power {power}": Decay(power=Decimal(power), floor=Decimal(floor)) for power in powers.split(",")}
    found: dict[str, list[float]] = {name: [] for name in rules}
    last: dict[str, list[float]] = {name: [] for name in rules}
    for number in range(seed, seed + seeds):
        for name, rule in rules.items():
            base = plain_round(steps=steps, batch=BATCH, learning_rate=rate, hyper={"width_percent": 25})
            with tempfile.TemporaryDirectory() as folder:
                rmse, rates = ten_rounds(stretches, base, rule, rounds, (global_set, kept), number, Path(folder))
            found[name].append(rmse[-1])
            last[name].append(rates[-1])
            shown = " ".join(f"{value:.2f}" for value in rmse)
            click.echo(f"seed {number}, {name}: {shown} degrees; rate {rates[0]:.5f} to {rates[-1]:.5f}")
    summary = {name: round(statistics.fmean(values), 3) for name, values in found.items()}
    ratios = against_fixed(found)
    for name, mean in summary.items():
        click.echo(f"{name}: {mean} degrees; {ratios[name]:.3f} of fixed, last rate {statistics.fmean(last[name]):.6f}")
    if as_json:
        result = {"rounds": rounds, "steps": steps, "seeds": [seed, seed + seeds - 1], "unseen": len(kept)}
        click.echo(json.dumps({**result, "rmse_deg": summary, "ratio_to_fixed": ratios, "by_seed": found}))


def ten_rounds(
    shares: Sequence[TestSet],
    base: Round,
    rule: Decay | None,
    rounds: int,
    tests: tuple[TestSet, TestSet],
    seed: int,
    folder: Path,
) -> tuple[list[float], list[float]]:
    """RMSE after each round on what nothing follows from, and the rate that each was trained at."""
    cars = [vehicle(share, base, folder / f"car{i}", 100 * seed + i) for i, share in enumerate(shares)]
    weights, rmse, rates, before = loop.weights(networks.build(base, seed=seed)), [], [], None
    recipe = base.recipe.model_copy(update={"decay": rule})
    for number in range(rounds):
        value = Decimal(f"{figure(weights, base, tests[0]):.6f}")
        measured = Figure(name="rmse", unit="deg", better="lower", value=value, samples=len(tests[0]))
        before = decay.started(recipe, measured, before)
        this = base.model_copy(update={"figure": measured, "recipe": before})
        publish(this, weights, folder / "bundle")
        updates = [car.contribute(this, folder / "bundle", number, "dense-fp16") for car in cars]
        weights = fused(folder / "bundle", updates)
        rates.append(decay.rate(before, measured))
        rmse.append(figure(weights, base, tests[1]))
    return rmse, rates


def halves(unseen: TestSet) -> tuple[TestSet, TestSet]:
    """Blocks in turn: what rates follow from, and what is reported."""
    even = (np.arange(len(unseen)) // BLOCK) % 2 == 0
    return TestSet(unseen.images[even], unseen.labels[even]), TestSet(unseen.images[~even], unseen.labels[~even])


def against_fixed(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean over seeds of each rule's figure over that of the fixed rate."""
    pairs = {name: zip(values, found["fixed"], strict=True) for name, values in found.items()}
    return {name: round(statistics.fmean(a / b for a, b in both), 3) for name, both in pairs.items()}
