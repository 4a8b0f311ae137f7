"""Detection with the agent's own trainer, on a drawn set: from an owner's labelled folder, and from a teacher.

A small network learns from a folder of pictures with their boxes. It then teaches a second one, which sees other
pictures without any. The figure is mAP at an IoU of 0.5 on pictures that neither saw.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from agent.core.round import Round
from agent.learn import graph, kinds, networks
from agent.learn.export import export
from agent.learn.samples import planes, prepare
from agent.learn.score import Scorer
from agent.learn.teacher import NAME
from agent.learn.testset import TestSet
from agent.learn.weights import Weights
from agent.ports import LabelledFrame
from agent.sense import album
from tools.bench.plain_round import plain_round
from tools.bench.signs import Car, from_folder
from tools.simulation.shapes import CLASSES, SPEC, TASK, Drawing, drawings

BATCH = 32


@click.command()
@click.option("--pictures", default=1500, show_default=True, help="In the folder, and as many without labels.")
@click.option("--steps", default=1500, show_default=True, help="Steps of each training, of 32 pictures.")
@click.option("--seed", default=1, show_default=True, help="Of the drawings.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(pictures: int, steps: int, seed: int, as_json: bool) -> None:
    """Boxes, learnt from a folder and from a teacher."""
    unseen = as_set(drawings(500, seed=1000 + seed))
    given = a_round("folder", steps)
    checked = graph.check(export(networks.build(given), SPEC))

    def map50(weights: Weights) -> float:
        return round(Scorer(checked, TASK).score(weights, unseen.images, unseen.labels).figure, 4)

    with tempfile.TemporaryDirectory() as scratch:
        folder, began = Path(scratch), time.monotonic()
        master = from_folder(folder / "owner", given, lay(drawings(pictures, seed), folder / "pictures"))
        found: dict[str, Any] = {"steps": steps, "pictures": pictures, "test": len(unseen), "folder": map50(master)}
        click.echo(f"from a folder of {pictures} pictures: mAP {found['folder']}, {time.monotonic() - began:.0f} s")
        teacher = graph.put(checked, master)
        student, sure = taught(folder / "student", a_round("teacher", steps), teacher, drawings(pictures, 2000 + seed))
        found |= {"student": map50(student), "sure": round(sure, 4)}
        click.echo(f"a student of that network, from {pictures} others: mAP {found['student']}")
        click.echo(f"its teacher was sure of what was in {sure:.0%} of them")
    if as_json:
        click.echo(json.dumps(found))


def a_round(labels: str, steps: int) -> Round:
    task = TASK.model_copy(update={"labels": labels})
    return plain_round(steps=steps, batch=BATCH, network="smallfcos", task=task, sample=SPEC)


def as_set(drawn: list[Drawing]) -> TestSet:
    """As validators measure on it."""
    kind = kinds.of(TASK, SPEC.sample)
    labels = [kind.written(drawing.boxes, 0.0) for drawing in drawn]
    images = planes(np.stack([prepare(drawing.image, SPEC) for drawing in drawn]))
    return TestSet(np.ascontiguousarray(images), np.stack([label for label in labels if label is not None]))


def lay(drawn: list[Drawing], folder: Path) -> Path:
    """The pictures as an owner keeps them, with `boxes.csv` beside them."""
    folder.mkdir(parents=True)
    lines = ["image,class,left,top,right,bottom"]
    for number, drawing in enumerate(drawn):
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), drawing.image)
        height, width = drawing.image.shape[:2]
        for box in drawing.boxes:
            sides = (box.left * width, box.top * height, box.right * width, box.bottom * height)
            lines.append(",".join([name, CLASSES[box.index], *(f"{side:g}" for side in sides)]))
        if not drawing.boxes:
            lines.append(f"{name},,,,,")
    (folder / album.BOXES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def taught(folder: Path, round_: Round, teacher: bytes, drawn: list[Drawing]) -> tuple[Weights, float]:
    """What a network learns from a teacher, and the share of pictures that the teacher was sure of."""
    car, sure = Car(folder, round_), 0
    (car.base / NAME).write_bytes(teacher)
    car.trainer.start(car.task)

    def feed(frame: LabelledFrame) -> None:
        nonlocal sure
        sure += frame.label is not None
        car.trainer.feed(frame)

    sink = car.builder.taught(round_, car.base, feed)
    for number, drawing in enumerate(drawn):
        sink(LabelledFrame(number * album.STEP_S, drawing.image, None))
        time.sleep(album.PACE_S)
    return car.learnt(), sure / len(drawn)
