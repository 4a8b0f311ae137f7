"""What a trip's reservoir keeps when it is too small for the trip: a uniform choice, or rare samples by weight.

Skewed drives: of a drive's first three quarters, stretches of half a second in which it goes straighter than in most
are all seen, and of the others one in twenty. A fifth to a third of that fits into the reservoir. What is learnt is
tested on the last quarter, as it was driven, and on each sort of bend alike (RMSE in degrees). Skewed signs: of the
k-th class, in an order drawn anew, k^-0.75 of all are seen, and a third of them fits; the figure is the share of wrong
answers, on all and on each class alike.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from agent.core.round import Round, Task
from agent.learn import checkpoint, kinds, loop, networks
from agent.learn.checkpoint import Checkpoint
from agent.learn.kinds.kind import Sort
from agent.learn.samples import Reservoir, Samples, planes, prepare
from agent.learn.testset import TestSet
from agent.ports import TrainingTask
from agent.sense.road import synthetic_drive
from tools.bench import drives
from tools.bench.plain_round import SPEC, bundle, plain_round
from tools.bench.signs import SPEC as SIGN

TRAINED, GUARD = 0.75, 20
STRETCH = 10
STRAIGHT, SEEN = 0.6, 0.05
"""Share of the stretches that are straight, and of the others that are seen."""
BATCH = 32
CLASSES = 43
LEAST = 10
"""Test samples of a sort of bend before it counts."""


def of_road(steps: int) -> Round:
    return plain_round(steps=steps, batch=BATCH, hyper={"width_percent": 25})


def of_signs(steps: int) -> Round:
    task = Task(kind="classification", labels="folder", classes=tuple(str(number) for number in range(CLASSES)))
    return plain_round(steps=steps, batch=BATCH, network="smallres", task=task, sample=SIGN)


@click.command()
@click.option("--drive", "folders", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--signs", "signs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--road/--no-road", default=True, show_default=True, help="The drawn road too.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(10, 11, 12), show_default=True)
@click.option("--slots", default=400, show_default=True, help="Samples that the reservoir holds.")
@click.option("--steps", default=250, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(
    folders: tuple[Path, ...],
    signs: Path | None,
    road: bool,
    seeds: tuple[int, ...],
    slots: int,
    steps: int,
    as_json: bool,
) -> None:
    """What is wrong after a skewed drive, on the drawn road, recorded drives and signs, by how the reservoir keeps."""
    import torch

    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for name in (*(["road"] if road else []), *folders, *([signs] if signs else [])):
        for seed in seeds:
            if name == signs and signs is not None:
                seen, unseen = _signs(signs, seed)
                made, fits = of_signs(steps), slots // 2
            else:
                seen, unseen = _drive(drives.read(name, SPEC) if isinstance(name, Path) else _road(seed), seed)
                made, fits = of_road(steps), slots
            found = {
                way: _one(seen, unseen, made, seed, fits, by) for way, by in (("uniform", None), ("rare", _rare(made)))
            }
            rows.append({"drive": name.name if isinstance(name, Path) else name, "seed": seed, **found})
            click.echo(json.dumps(rows[-1]))
    means = {drive: _means([row for row in rows if row["drive"] == drive]) for drive in {r["drive"]: 0 for r in rows}}
    for drive, mean in means.items():
        click.echo(f"{drive}: {mean}")
    if as_json:
        click.echo(json.dumps({"slots": slots, "steps": steps, "drives": means, "rows": rows}))


def _road(seed: int) -> TestSet:
    drive = synthetic_drive(300, 10, seed)
    assert drive.images is not None  # noqa: S101 (it is drawn)
    film = drive.images.film(0)
    images = [prepare(image, SPEC) for _ in drive.t if (image := film.read()) is not None]
    return TestSet(planes(np.stack(images)), drive.steering_deg.astype(np.float32))


def _drive(drive: TestSet, seed: int) -> tuple[TestSet, TestSet]:
    end = int(len(drive) * TRAINED)
    rows = np.flatnonzero(skewed(drive.labels[:end], seed))
    return TestSet(drive.images[rows], drive.labels[rows]), drives.part(drive, end + GUARD, len(drive))


def _signs(folder: Path, seed: int) -> tuple[TestSet, TestSet]:
    with np.load(folder / "gtsrb32.npz", allow_pickle=False) as pack:
        images, labels = pack["x_train"], pack["y_train"].astype(np.float32)
        test = TestSet(planes(pack["x_test"]), pack["y_test"].astype(np.float32))
    luck = np.random.default_rng((seed, 9))
    rank = luck.permutation(CLASSES)[labels.astype(int)]
    rows = luck.permutation(np.flatnonzero(luck.random(len(labels)) < (1.0 + rank) ** -0.75))
    return TestSet(planes(images[rows]), labels[rows]), test


def _rare(made: Round) -> Sort:
    """What a sample is one of where rare ones are kept."""
    sort = kinds.of(made.task, made.input.sample).sort("rare")
    if sort is None:
        raise SystemExit(f"{made.task.kind} has no rare samples")
    return sort


def _one(seen: TestSet, unseen: TestSet, made: Round, seed: int, slots: int, sort: Sort | None) -> dict[str, float]:
    samples, shape = Samples(made.input, 0.0, seed), seen.images.transpose(0, 2, 3, 1).shape[1:]
    images, labels, keys = np.empty((slots, *shape), np.uint8), np.empty(slots, np.float32), np.empty(slots)
    samples.trip = Reservoir(images, labels, seed, sort=sort, keys=keys)
    for image, label in zip(seen.images, seen.labels, strict=True):
        samples.trip.add(image.transpose(1, 2, 0), float(label))
    with tempfile.TemporaryDirectory() as scratch:
        home, base = Path(scratch) / "trip", bundle(made, Path(scratch) / "base", seed)
        home.mkdir()
        for _ in loop.train(TrainingTask(home, base, made, seed), samples, Checkpoint(), loop.Options()):
            pass
        learnt = checkpoint.load(home)
        assert learnt is not None  # noqa: S101 (the loop ends with a checkpoint)
        network = networks.build(made, base)
    loop.load_weights(network, learnt.weights)
    answers = _answers(network, unseen)
    if made.task.kind == "classification":
        wrong, power = (answers.argmax(1) != unseen.labels).astype(float), 1.0
    else:
        wrong, power = np.square(answers[:, 0] * float(made.task.scale) - unseen.labels), 0.5
    by = _rare(made)
    sorts = np.array([by(label) for label in unseen.labels])
    each = [wrong[sorts == one].mean() for one in np.unique(sorts) if (sorts == one).sum() >= LEAST]
    return {"driven": round(float(wrong.mean() ** power), 3), "alike": round(float(np.mean(each) ** power), 3)}


def skewed(labels: Sequence[float] | np.ndarray, seed: int) -> np.ndarray:
    """Which frames of a drive are seen, stretch by stretch."""
    luck, steep = np.random.default_rng((seed, 9)), np.abs(np.asarray(labels))
    limit, seen = np.quantile(steep, STRAIGHT), np.zeros(len(steep), bool)
    for start in range(0, len(steep), STRETCH):
        stretch = slice(start, start + STRETCH)
        seen[stretch] = steep[stretch].mean() < limit or luck.random() < SEEN
    return seen


def _answers(network: Any, test: TestSet) -> np.ndarray:
    import torch

    network.eval()
    with torch.no_grad():
        parts = [network(torch.from_numpy(test.images[at : at + 64])).numpy() for at in range(0, len(test), 64)]
    return np.concatenate(parts)


def _means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    ways = ("uniform", "rare")
    return {w: {k: round(float(np.mean([r[w][k] for r in rows])), 3) for k in ("driven", "alike")} for w in ways}


if __name__ == "__main__":
    main()
