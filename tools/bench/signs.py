"""Traffic signs with the agent's own trainer: labels from an owner's folder, and labels from a teacher.

Half of the physical signs are labelled in a folder. A network learns from them; it then becomes the teacher that labels
the other half, and a second network learns from those labels alone. Figures are accuracy on test images of other signs.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.core.documents import Input, Round, Task
from agent.host.sections import Config
from agent.learn import checkpoint, graph, networks
from agent.learn.export import export
from agent.learn.score import Scorer
from agent.learn.settings import Settings
from agent.learn.teacher import NAME
from agent.learn.testset import TestSet
from agent.learn.trainer import ChildTrainer
from agent.learn.weights import Weights
from agent.market.bundle import Shelf
from agent.ports import LabelledFrame, TrainingTask
from agent.sense import album
from agent.vehicle.workshop import Sink, Workshop
from tools.bench.plain_round import bundle, plain_round

SPEC = Input(height=32, width=32, colour="rgb")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Signs:
    """`images` (n, 32, 32, 3) RGB; `signs`: which physical sign a picture shows."""

    images: Pixels
    labels: NDArray[np.int64]
    signs: NDArray[np.int64]
    test: TestSet
    classes: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Signs:
        with np.load(folder / "gtsrb32.npz", allow_pickle=False) as pack:
            test = TestSet(
                np.ascontiguousarray(pack["x_test"].transpose(0, 3, 1, 2)), pack["y_test"].astype(np.float32)
            )
            classes = tuple(str(name).replace("/", "-") for name in pack["class_names"])
            return cls(pack["x_train"], pack["y_train"].astype(np.int64), pack["track_train"], test, classes)

    def lay(self, chosen: NDArray[np.bool_], folder: Path) -> Path:
        """Pictures as an owner keeps them: a sub-folder a class."""
        for name in self.classes:
            (folder / name).mkdir(parents=True)
        for row in np.flatnonzero(chosen):
            cv2.imwrite(str(folder / self.classes[self.labels[row]] / f"{row}.png"), self.images[row][..., ::-1])
        return folder


def a_round(signs: Signs, labels: str, steps: int) -> Round:
    task = Task.model_validate({"kind": "classification", "labels": labels, "classes": signs.classes})
    return plain_round(steps=steps, network="smallres", task=task, sample=SPEC)


class Car:
    """A vehicle's own workshop and training child, without a trip around them."""

    def __init__(self, folder: Path, round: Round, labelled: Path | None = None) -> None:
        self.base = bundle(round, folder / "base")
        self.trainer = ChildTrainer(Settings(threads=1))
        config = Config.model_validate({"train": {"labelled": labelled}})
        shelf = Shelf(folder / "bundles", FolderStore(folder / "store"))
        self.workshop = Workshop(config, shelf, self.trainer, Keypair.random(), folder / "jobs")
        self.task = TrainingTask(folder / "job", self.base, round, 1)

    def learnt(self) -> Weights:
        """The weights once the planned steps are done."""
        while self.trainer.progress().steps < self.task.round.recipe.steps:
            time.sleep(0.2)
        return checkpoint.read_weights(self.trainer.finish(self.task).weights)


def from_folder(folder: Path, round: Round, labelled: Path) -> Weights:
    car = Car(folder, round, labelled)
    car.trainer.start(car.task)
    shown = car.workshop.pictures(car.task, car.trainer.feed)
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


def from_teacher(
    folder: Path, round: Round, teacher: bytes, signs: Signs, rows: NDArray[np.int64]
) -> tuple[Weights, Taught]:
    car = Car(folder, round)
    (car.base / NAME).write_bytes(teacher)
    car.trainer.start(car.task)
    said = Taught(car.trainer.feed)
    sink = car.workshop.taught(round, car.base, said)
    pause = threading.Event()
    for number, row in enumerate(rows):
        said.truth = float(signs.labels[row])
        sink(LabelledFrame(number * album.STEP_S, np.ascontiguousarray(signs.images[row][..., ::-1]), None))
        pause.wait(album.PACE_S)
    return car.learnt(), said


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of gtsrb32.npz.")
@click.option("--steps", default=2000, show_default=True, help="Steps of each training, of 64 pictures.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(data: Path, steps: int, as_json: bool) -> None:
    """Traffic signs, learnt from a folder and from a teacher."""
    signs = Signs.read(data)
    half = signs.signs % 2 == 0
    given = a_round(signs, "folder", steps)
    checked = graph.check(export(networks.build(given), SPEC))

    def accuracy(weights: Weights) -> float:
        return round(Scorer(checked, given.task).score(weights, signs.test.images, signs.test.labels).figure, 4)

    facts: dict[str, object] = {"steps": steps, "classes": len(signs.classes), "test": len(signs.test)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        everything = from_folder(folder / "all", given, signs.lay(np.ones_like(half), folder / "every-sign"))
        facts["folder"] = accuracy(everything)
        click.echo(f"from a folder with every sign: {facts['folder']}")
        master = from_folder(folder / "half", given, signs.lay(half, folder / "every-other-sign"))
        facts["teacher"] = accuracy(master)
        click.echo(f"the teacher, from a folder with every other sign: {facts['teacher']}")
        rows = np.random.default_rng(0).permutation(np.flatnonzero(~half))
        shown = a_round(signs, "teacher", steps)
        student, said = from_teacher(folder / "student", shown, graph.put(checked, master), signs, rows)
        facts |= {
            "student": accuracy(student),
            "labelled": round(said.labelled / len(rows), 4),
            "wrong": round(said.wrong / max(1, said.labelled), 4),
        }
        click.echo("a student of the teacher, on signs without labels: {student}".format(**facts))
        click.echo("the teacher was sure of {labelled:.0%} of them, and wrong in {wrong:.1%} of those".format(**facts))
    if as_json:
        click.echo(json.dumps(facts))
