"""How often a sample may be drawn: a trip on a computer that is faster than its camera."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import click
import numpy as np

from agent.learn import checkpoint, loop
from agent.learn.checkpoint import Checkpoint
from agent.learn.samples import Samples
from agent.learn.testset import TestSet
from agent.ports import TrainingTask
from tools.bench import drives
from tools.bench.plain_round import SPEC, bundle, plain_round
from tools.bench.vehicles import Weights, figure, vehicle

FPS = 20
BATCH = 32
STEPS = 400
RATE = "0.0001"
INITIATORS_S = 15
"""The drive's first seconds, from which the round is made."""
FIRST_STEPS, FIRST_RATE = 60, "0.0005"
UNBOUNDED = 1_000_000


@click.command()
@click.option(
    "--drive",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A recorded drive: its first seconds are the round's, its last fifth is tested on, trips lie between.",
)
@click.option("--seconds", default=30, show_default=True, help="Of each trip.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(folder: Path, seconds: int, as_json: bool) -> None:
    """The error of what a fast computer learnt on one trip, by how often it may draw a sample."""
    import torch

    torch.set_num_threads(1)
    (seen,), unseen = drives.split([drives.read(folder, SPEC)], 1)
    length, first = seconds * FPS, INITIATORS_S * FPS
    starts = [first, first + (len(seen) - first) // 2]
    if len(seen) < starts[-1] + length:
        raise click.UsageError(f"{folder} is too short for two trips of {seconds} s")
    trips: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        weights = _first_round(drives.part(seen, 0, first), base, Path(scratch) / "first")
        before = _error(weights, unseen)
        click.echo(f"the round itself: {before} degrees")
        for start, passes in itertools.product(starts, (2, 4, 8, 16, 32, UNBOUNDED)):
            stretch = drives.part(seen, start, start + length)
            learnt, steps = _trip(stretch, passes, base, Path(scratch) / f"{start}-{passes}")
            halfway = {name: (value + learnt[name]) / np.float32(2) for name, value in weights.items()}
            trips.append(
                {
                    "start_s": start / FPS,
                    "passes": passes if passes < UNBOUNDED else None,
                    "steps": steps,
                    "alone": _error(learnt, unseen),
                    "half": _error(halfway, unseen),
                }
            )
            click.echo(", ".join(f"{name} {value}" for name, value in trips[-1].items()))
    if as_json:
        click.echo(json.dumps({"drive": folder.name, "trip_s": seconds, "round": before, "trips": trips}))


def _first_round(own: TestSet, base: Path, home: Path) -> Weights:
    """The initiator's: trained a little on what it has."""
    made = plain_round(steps=FIRST_STEPS, batch=BATCH, learning_rate=FIRST_RATE)
    weights = vehicle(own, made, home, seed=0).train(made, bundle(made, base), 0)
    checkpoint.write_weights(base / "weights.safetensors", weights)
    return weights


def _trip(frames: TestSet, passes: int, base: Path, home: Path) -> tuple[Weights, int]:
    """Weights and steps of a trip on which, after each frame, every step is made that may be."""
    road = plain_round(steps=STEPS, batch=BATCH, passes=passes, learning_rate=RATE)
    home.mkdir()
    samples, last = Samples(SPEC, 400.0, seed=3), Checkpoint()
    steps = loop.train(TrainingTask(home, base, road, 3), samples, last, loop.Options(checkpoint_s=1e9))
    for number, (image, label) in enumerate(zip(frames.images, frames.labels, strict=True)):
        samples.add(image.transpose(1, 2, 0), float(label), number / FPS)
        while last.state.steps < STEPS and samples.suffice(road.recipe, last.state):
            next(steps)
    samples.over = True
    for _ in steps:
        pass
    learnt = checkpoint.load(home)
    assert learnt is not None  # noqa: S101 (the loop ends with a checkpoint)
    return learnt.weights, last.state.steps


def _error(weights: Weights, unseen: TestSet) -> float:
    return round(figure(weights, plain_round(), unseen), 3)


if __name__ == "__main__":
    main()
