"""Publishing: a stranger's network for an owner's labelled folder; and what nobody could use costs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stellar_sdk import Keypair

from agent.core.decay import rate
from agent.core.round import Architecture, Decay, Input, Recipe, Task
from agent.errors import Refused
from agent.initiator.publishing import Publisher
from agent.learn import export, fitness, graph, networks, weights
from agent.learn.testset import TestSet
from agent.market import bundle
from tests.initiator.command import anybody, milepost
from tests.market.town import SMALL, Lesson, Town, a_plan, publisher_of
from tools.demo.stage import write_plan
from tools.localnet.server import Localnet

SIGNS = Task(kind="classification", labels="folder", classes=("give-way", "stop", "yield"))
TINY = Architecture(name="deepchain", hyper={"filters": 1, "hidden": 4})
PLAN: dict[str, Any] = {"task": SIGNS, "architecture": Architecture(name="onnx"), "input": SMALL}


def network(folder: Path, task: Task = SIGNS, spec: Input = SMALL, name: str = "model") -> tuple[Path, Path]:
    """Weights and graph of a small network with one output a class."""
    made = networks.build(SimpleNamespace(architecture=TINY, input=spec, task=task), seed=1)
    exported = export.export(made, spec)
    folder.mkdir(parents=True, exist_ok=True)
    weights_file, graph_file = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    weights_file.write_bytes(weights.dump(graph.check(exported).weights))
    graph_file.write_bytes(exported)
    return weights_file, graph_file


def pictures(seed: int, labels: int = 3, spec: Input = SMALL) -> TestSet:
    random = np.random.default_rng(seed)
    shape = (24, spec.channels, spec.height, spec.width)
    images = random.integers(0, 255, shape, dtype=np.uint8)
    return TestSet(images, random.integers(0, labels, 24).astype(np.float32))


@pytest.fixture
def town(net: Localnet, tmp_path: Path) -> Town:
    """An initiator with money and nothing else."""
    made = Town(net, tmp_path, tuple(Keypair.random() for _ in range(3)), lesson=Lesson(network, pictures))
    net.fund(made.operator.public_key, made.initiator.public_key, *(k.public_key for k in made.committee))
    return made


def refusal(town: Town, files: tuple[Path, ...], tests: TestSet | None = None, **plan: Any) -> str:
    """Why publishing is refused, having made sure that it cost nothing and that a better plan may follow."""
    publisher: Publisher = publisher_of(town, **{**PLAN, **plan})
    if tests is not None:
        publisher.test_set.write_bytes(tests.dump())
    with pytest.raises(Refused) as refused:
        publisher.first(*files)
    assert not publisher.book.jobs
    assert not [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    publisher.plan = a_plan(town, **PLAN)
    publisher.test_set.write_bytes(pictures(0).dump())
    assert publisher.first(*network(town.folder)).cid
    publisher.book.journal.close()
    return str(refused.value)


@pytest.mark.slow
def test_a_network_for_an_owners_labelled_folder_is_published(town: Town, tmp_path: Path) -> None:
    weights_file, graph_file = network(tmp_path)
    plan, tests, key = tmp_path / "plan.toml", tmp_path / "global.safetensors", tmp_path / "key"
    write_plan(plan, a_plan(town, **PLAN))
    tests.write_bytes(pictures(0).dump())
    key.write_text(town.initiator.secret)
    key.chmod(0o600)
    config = anybody(town, tmp_path, f'[agent]\nstate_dir = "{tmp_path}/state"\nkey_file = "{key}"\n')
    words = ("--plan", plan, "--test-set", tests, "--weights", weights_file, "--graph", graph_file, "--json")
    shown = milepost(config, "initiator", "publish", *map(str, words), net=town.net)
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["cid"] == town.listed.cid
    round_ = town.shelf.round(told["cid"])
    assert (round_.task, round_.architecture.name, round_.settlement) == (SIGNS, "onnx", told["settlement"])
    assert (round_.figure is not None) and (round_.figure.name, round_.figure.samples) == ("accuracy", 24)
    fitness.check(round_, town.shelf.get(told["cid"], bundle.ROUND_LIMITS), memory_mb=2048)


def test_a_rate_that_falls_starts_at_the_first_rounds_own_error(town: Town) -> None:
    falling = Recipe(steps=1, batch=1, learning_rate="0.1", minimum_samples=1, decay=Decay())
    publisher = publisher_of(town, **PLAN, recipe=falling)
    publisher.test_set.write_bytes(pictures(0).dump())
    round_ = town.shelf.round(publisher.first(*network(town.folder)).cid)
    assert round_.figure is not None and round_.recipe.decay is not None
    assert round_.recipe.decay.start == 1 - round_.figure.value
    assert rate(round_.recipe, round_.figure) == 0.1
    publisher.book.journal.close()


def test_a_network_of_other_classes_is_refused(town: Town) -> None:
    two = Task(kind="classification", labels="folder", classes=("give-way", "stop"))
    assert "gives 2 numbers, the round's task needs 3" in refusal(town, network(town.folder, two))


def test_a_network_for_other_samples_is_refused(town: Town) -> None:
    wide = Input(height=28, width=40, colour="grey")
    assert "takes samples of (1, 28, 40), the round's are (1, 28, 28)" in refusal(town, network(town.folder, spec=wide))


def test_weights_of_another_network_are_refused(town: Town) -> None:
    other = Task(kind="classification", labels="folder", classes=("a", "b", "c", "d"))
    files = (network(town.folder, other, name="other")[0], network(town.folder)[1])
    assert "the round's weights" in refusal(town, files)


def test_a_test_set_of_other_samples_is_refused(town: Town) -> None:
    wide = Input(height=28, width=40, colour="grey")
    assert "images are" in refusal(town, network(town.folder), pictures(0, spec=wide))


def test_a_test_set_of_more_classes_is_refused(town: Town) -> None:
    assert "labels up to 6 for 3 classes" in refusal(town, network(town.folder), pictures(0, labels=7))


def test_weights_that_give_no_numbers_are_refused(town: Town) -> None:
    weights_file, graph_file = network(town.folder)
    huge = {name: np.full_like(value, 1e30) for name, value in graph.check(graph_file).weights.items()}
    weights_file.write_bytes(weights.dump(huge))
    assert "its loss on the test set is inf" in refusal(town, (weights_file, graph_file))


def test_a_teacher_of_other_classes_is_refused(town: Town) -> None:
    teacher = network(town.folder, SIGNS.model_copy(update={"classes": ("a", "b")}), name="teacher")[1]
    taught = SIGNS.model_copy(update={"labels": "teacher"})
    assert "it gives 2 numbers, the round needs 3" in refusal(town, (*network(town.folder), teacher), task=taught)


def test_a_teacher_that_is_missing_or_not_asked_for_is_refused(town: Town) -> None:
    files = network(town.folder)
    taught = SIGNS.model_copy(update={"labels": "teacher"})
    assert "task.labels is teacher, and only there" in refusal(town, files, task=taught)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ({"task": SIGNS.model_copy(update={"classes": ("stop",)})}, "needs at least two classes"),
        ({"recipe": Recipe(steps=1, batch=1, learning_rate="0.1", minimum_samples=1, encoding="zip")}, "encoding zip"),
        ({"fusion": "loudest-wins"}, "fusion rule loudest-wins"),
        ({"review_window": 5}, "review_window: Input should be greater than or equal to 60"),
        ({"contributions": 20_000, "budget": "800000"}, "contributions: Input should be less than or equal to 10000"),
        ({"architecture": Architecture(name="onnx", hyper={"filters": 3})}, "onnx has no hyper-parameter filters"),
    ],
    ids=["one class", "encoding", "fusion", "window", "contributions", "hyper"],
)
def test_a_plan_that_no_vehicle_could_follow_is_refused(town: Town, plan: dict[str, Any], why: str) -> None:
    assert why in refusal(town, network(town.folder), **plan)
