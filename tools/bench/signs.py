"""Traffic signs with the agent's own trainer: labels from an owner's folder, and labels from a teacher.

A network learns from a folder of labelled signs. It then becomes the teacher of a second network, which sees half of
the test images without their labels. Figures are accuracy on the other half, which neither saw.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from stellar_sdk import Keypair

from agent.compose.vehicle import resources, training
from agent.content.folder import FolderStore
from agent.core.round import Input, Round, Task
from agent.host.sections import Config, Train
from agent.learn import checkpoint, graph, networks
from agent.learn.export import export
from agent.learn.score import Scorer
from agent.learn.teacher import NAME
from agent.learn.testset import TestSet
from agent.learn.trainer import ChildTrainer
from agent.learn.weights import Weights
from agent.market.bundle import Shelf
from agent.ports import LabelledFrame, TrainingTask
from agent.sense import album
from agent.vehicle.builder import ContributionBuilder, Sink
from tools.bench.plain_round import bundle, plain_round

SPEC = Input(height=32, width=32, colour="rgb")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Signs:
    """Images (n, 32, 32, 3) RGB with class indices: what an owner labelled, what a car sees, what nobody saw."""

    labelled: tuple[Pixels, NDArray[np.int64]]
    seen: tuple[Pixels, NDArray[np.int64]]
    unseen: TestSet
    classes: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Signs:
        with np.load(folder / "gtsrb32.npz", allow_pickle=False) as pack:
            half = len(pack["y_test"]) // 2
            images, labels = pack["x_test"], pack["y_test"].astype(np.int64)
            return cls(
                labelled=(pack["x_train"], pack["y_train"].astype(np.int64)),
                seen=(images[:half], labels[:half]),
                unseen=TestSet(
                    np.ascontiguousarray(images[half:].transpose(0, 3, 1, 2)), labels[half:].astype(np.float32)
                ),
                classes=tuple(str(name).replace("/", "-") for name in pack["class_names"]),
            )

    def lay(self, folder: Path) -> Path:
        """The labelled pictures as an owner keeps them: a sub-folder a class."""
        for name in self.classes:
            (folder / name).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(*self.labelled, strict=True)):
            cv2.imwrite(str(folder / self.classes[label] / f"{number}.png"), image[..., ::-1])
        return folder


def a_round(signs: Signs, labels: str, steps: int) -> Round:
    task = Task.model_validate({"kind": "classification", "labels": labels, "classes": signs.classes})
    return plain_round(steps=steps, network="smallres", task=task, sample=SPEC)


class Car:
    """A vehicle's own workshop and training child, without a trip around them."""

    def __init__(self, folder: Path, round: Round, labelled: Path | None = None) -> None:
        self.base = bundle(round, folder / "base")
        self.trainer = ChildTrainer(training(Train(threads=1)))
        config = Config.model_validate({"train": {"labelled": labelled}})
        shelf = Shelf(folder / "bundles", FolderStore(folder / "store"))
        self.builder = ContributionBuilder(resources(config), shelf, self.trainer, Keypair.random(), folder / "jobs")
        self.task = TrainingTask(folder / "job", self.base, round, 1)

    def learnt(self) -> Weights:
        """The weights once the planned steps are done."""
        while self.trainer.progress().steps < self.task.round.recipe.steps:
            time.sleep(0.2)
        return checkpoint.read_weights(self.trainer.finish(self.task).weights)


def from_folder(folder: Path, round: Round, labelled: Path) -> Weights:
    car = Car(folder, round, labelled)
    car.trainer.start(car.task)
    shown = car.builder.pictures(car.task, car.trainer.feed)
    shown.start()
    weights = car.learnt()
    shown.stop()
    return weights


@dataclass
class Taught:
    """Counts what a teacher says on its way to the trainer."""

    feed: Sink
    truth: float = 0.0
    labelled: int = 0
    wrong: int = 0

    def __call__(self, frame: LabelledFrame) -> None:
        if frame.label is not None:
            self.labelled += 1
            self.wrong += frame.label != self.truth
        self.feed(frame)


def from_teacher(folder: Path, round: Round, teacher: bytes, signs: Signs) -> tuple[Weights, Taught]:
    car = Car(folder, round)
    (car.base / NAME).write_bytes(teacher)
    car.trainer.start(car.task)
    said = Taught(car.trainer.feed)
    sink = car.builder.taught(round, car.base, said)
    for number, (image, label) in enumerate(zip(*signs.seen, strict=True)):
        said.truth = float(label)
        sink(LabelledFrame(number * album.STEP_S, np.ascontiguousarray(image[..., ::-1]), None))
        time.sleep(album.PACE_S)
    return car.learnt(), said


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of gtsrb32.npz.")
@click.option("--steps", default=2000, show_default=True, help="Steps of each training, of 64 pictures.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(data: Path, steps: int, as_json: bool) -> None:
    """Traffic signs, learnt from a folder and from a teacher."""
    signs = Signs.read(data)
    given = a_round(signs, "folder", steps)
    checked = graph.check(export(networks.build(given), SPEC))

    def accuracy(weights: Weights) -> float:
        return round(Scorer(checked, given.task).score(weights, signs.unseen.images, signs.unseen.labels).figure, 4)

    found: dict[str, Any] = {"steps": steps, "classes": len(signs.classes), "test": len(signs.unseen)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        master = from_folder(folder / "owner", given, signs.lay(folder / "pictures"))
        found["folder"] = accuracy(master)
        click.echo(f"from a folder of {len(signs.labelled[1])} pictures: {found['folder']}")
        shown = a_round(signs, "teacher", steps)
        student, said = from_teacher(folder / "student", shown, graph.put(checked, master), signs)
        found |= {
            "student": accuracy(student),
            "labelled": round(said.labelled / len(signs.seen[1]), 4),
            "wrong": round(said.wrong / max(1, said.labelled), 4),
        }
        click.echo(f"a student of that network, from {len(signs.seen[1])} pictures without labels: {found['student']}")
        click.echo("its teacher was sure of {labelled:.0%} of them, and wrong in {wrong:.1%} of those".format(**found))
    if as_json:
        click.echo(json.dumps(found))
