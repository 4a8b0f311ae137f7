"""A stranger's ONNX network, and one that finds boxes, learnt from an owner's labelled folder: from the offer to the
committee's verdict."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from agent.compose.vehicle import survey, vehicle
from agent.core.jobs.contribution import JobState
from agent.core.pauses import Backoff
from agent.core.round import Architecture, Input, Recipe, Task
from agent.host.clock import SystemClock
from agent.host.config import load
from agent.learn import graph, networks, weights
from agent.learn.export import export
from agent.learn.testset import TestSet
from agent.sense import album
from agent.vehicle import background
from tests.market.town import Lesson, Town, found
from tests.validator.committee import House
from tests.vehicle.test_daemon import Ride, Wheel
from tests.vehicle.test_offers import Car
from tools.bench.boxes import as_set, lay
from tools.bench.plain_round import plain_round
from tools.localnet.server import Localnet
from tools.simulation import shapes

pytestmark = pytest.mark.slow

COLOURS = Task(kind="classification", labels="folder", classes=("blue", "green", "red"))
INPUT = Input(height=16, width=16, colour="rgb")
PICTURES = 120


def painted(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise that leans a little to one colour: RGB, (count, 16, 16, 3), and its class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(60, 160, (count, 16, 16, 3))
    for image, label in zip(images, labels, strict=True):
        image[..., 2 - label] += 60
    return images.astype(np.uint8), labels.astype(np.float32)


def unseen(seed: int) -> TestSet:
    images, labels = painted(1000 + seed, 60)
    return TestSet(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels)


def network(folder: Path) -> tuple[Path, Path]:
    """A small network with a batch norm, exported as PyTorch does it when nothing special is asked for."""
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8), torch.nn.ReLU()]
    made = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(made.eval(), (torch.zeros(1, 3, 16, 16),), file, dynamo=False)
    checked = graph.check(file.getvalue())
    (folder / "model.onnx").write_bytes(file.getvalue())
    (folder / "weights.safetensors").write_bytes(weights.dump(graph.taken(checked)))
    return folder / "weights.safetensors", folder / "model.onnx"


def labelled(folder: Path) -> Path:
    images, labels = painted(1, PICTURES)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / COLOURS.classes[int(label)] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])
    return folder


def boxes_network(folder: Path) -> tuple[Path, Path]:
    round_ = plain_round(network="smallfcos", hyper=SMALL_HEAD, task=shapes.TASK, sample=shapes.SPEC)
    made = export(networks.build(round_, seed=1), shapes.SPEC)
    (folder / "model.onnx").write_bytes(made)
    (folder / "weights.safetensors").write_bytes(weights.dump(graph.taken(graph.check(made))))
    return folder / "weights.safetensors", folder / "model.onnx"


SMALL_HEAD = {"filters": 4}


@dataclass(frozen=True)
class Taught:
    """What a town's round teaches, and how an owner keeps the pictures for it."""

    lesson: Lesson
    labelled: Callable[[Path], Path]
    plan: dict[str, Any]


LESSONS = {
    "colours": Taught(
        Lesson(network, unseen),
        labelled,
        {
            "task": COLOURS,
            "architecture": Architecture(name="onnx"),
            "input": INPUT,
            "recipe": Recipe(steps=80, batch=32, passes=100, learning_rate="0.01", minimum_samples=50),
        },
    ),
    "boxes": Taught(
        Lesson(boxes_network, lambda seed: as_set(shapes.drawings(60, 1000 + seed))),
        lambda folder: lay(shapes.drawings(PICTURES, 1), folder),
        {
            "task": shapes.TASK,
            "architecture": Architecture(name="smallfcos", hyper=SMALL_HEAD),
            "input": shapes.SPEC,
            "recipe": Recipe(steps=80, batch=16, passes=100, learning_rate="0.003", minimum_samples=50),
        },
    ),
}


@pytest.fixture(scope="module", params=LESSONS)
def taught(request: pytest.FixtureRequest) -> Taught:
    return LESSONS[request.param]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, taught: Taught) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"), lesson=taught.lesson, **taught.plan)


@pytest.fixture
def car(town: Town, tmp_path: Path) -> Car:
    return Car(town, town.driver(), tmp_path)


def test_a_network_is_learnt_from_a_folder_entered_and_accepted(
    town: Town, car: Car, taught: Taught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pauses in ("WAIT_S", "VERDICT_S"):
        monkeypatch.setattr(background, pauses, Backoff(0.05, 0.1))
    monkeypatch.setattr(album, "PACE_S", 0.005)
    config = car.config(
        train={"labelled": str(taught.labelled(tmp_path / "pictures")), "threads": 1},
        camera={"source": "v4l2:/dev/there-is-none"},
        odometer={"source": "road:?seconds=1"},
        trip={"trigger_m": 20, "ignition_off_s": 1.0},
        gates={"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
    )
    ride = Ride(town, car, vehicle(load(config), SystemClock(), dict), Wheel())
    ride.vehicle.parts.odometer = ride.wheel
    ride.wheel.drives = True
    ride.until_it_is(JobState.TRAINING)
    ride.until(lambda: ride.frames == PICTURES and ride.vehicle.parts.trainer.progress().steps == 80)
    ride.wheel.drives = False
    ride.until_it_is(JobState.ENTERED)
    (stake,) = [s.id for s in town.horizon.stakes(town.settlement) if s.sponsor == car.key.public_key]
    ride.vehicle.close()
    house = House(town, tmp_path)
    house.settle(stake)
    end = house.end(stake)
    house.close()
    assert end is not None and end.outcome == "accepted" and end.credit > 0


@pytest.mark.parametrize("taught", ["colours"], indirect=True, scope="module")
@pytest.mark.parametrize(
    ("pictures", "reason"),
    [(None, "train.labelled names none"), ("cat", "sub-folder cat is none of the round's classes")],
)
def test_an_owner_whose_pictures_do_not_fit_passes_the_offer_over(
    car: Car, tmp_path: Path, pictures: str | None, reason: str
) -> None:
    (tmp_path / "pictures" / "cat").mkdir(parents=True)
    seen = survey(load(car.config(train={"labelled": str(tmp_path / "pictures")} if pictures else {})))
    assert reason in seen.ranked[0].lost
