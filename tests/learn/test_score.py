"""Scoring without torch: the same figures as torch, for the built-in networks as for any graph."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.core.round import Architecture, Input, Round, Task
from agent.errors import Malformed
from agent.learn import graph, kinds, loop, networks
from agent.learn.export import export
from agent.learn.kinds.detection import MOST
from agent.learn.runner import Runner
from agent.learn.score import Scorer, figure, score

NETWORKS = {
    "pilotnet": (Task(kind="steering"), Input(height=66, width=200)),
    "smallres": (
        Task(kind="classification", classes=tuple("abcdefg")),
        Input(height=32, width=32, colour="rgb"),
    ),
    "deepchain": (
        Task(kind="classification", classes=tuple("0123456789")),
        Input(height=28, width=28, colour="grey"),
    ),
    "smallfcos": (
        Task(kind="detection", labels="folder", classes=("person", "sign", "light")),
        Input(height=60, width=100, colour="rgb"),
    ),
}


STEERING = kinds.of(Task(kind="steering"), (3, 66, 200))


def a_round(name: str) -> Round:
    task, spec = NETWORKS[name]
    # What learning reads of a round, and no more.
    return Round.model_construct(task=task, input=spec, architecture=Architecture(name=name))


def some_samples(round: Round, count: int = 70) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    spec = round.input
    samples = rng.integers(0, 256, (count, spec.channels, spec.height, spec.width), dtype=np.uint8)
    if round.task.kind == "steering":
        return samples, rng.normal(0, 30, count).astype(np.float32)
    if round.task.kind == "detection":
        return samples, some_boxes(rng, count)
    return samples, rng.integers(0, len(round.task.classes), count).astype(np.float32)


def some_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Up to five in a picture, of three classes."""
    boxes = np.full((count, MOST, 5), -1, np.float32)
    for picture in boxes:
        for row in range(rng.integers(0, 6)):
            left, top, width, height = rng.uniform(0.02, 0.5, 4)
            picture[row] = rng.integers(0, 3), left, top, left + width, top + height
    return boxes


@pytest.mark.parametrize("name", NETWORKS)
def test_a_validator_without_torch_gets_torchs_figure(name: str) -> None:
    round = a_round(name)
    network = networks.build(round, seed=1).eval()
    checked = graph.check(export(network, round.input))
    graph.fits(checked, round)
    other = loop.weights(networks.build(round, seed=2).eval())
    samples, labels = some_samples(round)

    measured = Scorer(checked, round.task).score(other, samples, labels)

    loop.load_weights(network, other)
    with torch.no_grad():
        out = network(torch.from_numpy(samples))
        targets = kinds.of(round.task, round.input.sample).targets(labels)
        loss = loop.objective(round)(out, torch.from_numpy(targets))
    assert measured.loss == pytest.approx(float(loss), abs=1e-4)
    if round.task.kind == "steering":
        assert measured.figure == pytest.approx(
            float(((out[:, 0] * 25 - torch.from_numpy(labels)) ** 2).mean().sqrt()), abs=1e-4
        )
    elif round.task.kind == "classification":
        assert measured.figure == float((out.argmax(1).numpy() == labels).mean())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_graph_names_the_weights_as_the_state_dict_does(name: str) -> None:
    network = networks.build(a_round(name), seed=1)
    weights = graph.taken(graph.check(export(network, a_round(name).input)))
    assert weights.keys() == network.state_dict().keys()
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(weights[key], value.numpy())


def test_scoring_imports_no_torch(tmp_path: Path) -> None:
    round = a_round("deepchain")
    path = tmp_path / "model.onnx"
    path.write_bytes(export(networks.build(round), round.input))
    code = f"""
import sys
from pathlib import Path
import numpy as np
from agent.core.round import Task
from agent.learn import graph, score, shadow, teacher
checked = graph.check(Path({str(path)!r}))
task = Task(kind='classification', classes=tuple('0123456789'))
scorer = score.Scorer(checked, task)
print(scorer.score(checked.weights, np.zeros((3, 1, 28, 28), np.uint8), np.zeros(3)).samples)
assert 'torch' not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "3", done.stderr


def test_weights_that_give_no_number_score_an_infinite_loss() -> None:
    outputs = np.array([[np.nan], [0.0]], np.float32)
    assert score(outputs, np.zeros(2, np.float32), STEERING).loss == np.inf


def test_labels_and_samples_that_do_not_fit_are_refused() -> None:
    round = a_round("deepchain")
    digits = kinds.of(round.task, round.input.sample)
    runner = Runner(graph.check(export(networks.build(round), round.input)))
    with pytest.raises(Malformed, match="takes uint8"):
        runner.run(np.zeros((1, 3, 28, 28), np.uint8))
    with pytest.raises(Malformed, match="10 classes"):
        score(np.zeros((1, 10), np.float32), np.array([10.0], np.float32), digits)
    with pytest.raises(Malformed, match="0 labels"):
        score(np.zeros((0, 10), np.float32), np.zeros(0, np.float32), digits)
    with pytest.raises(Malformed, match=r"a label is \(5,\) numbers, the task's \(\)"):
        score(np.zeros((1, 10), np.float32), np.zeros((1, 5), np.float32), digits)
    assert runner.run(np.zeros((0, 1, 28, 28), np.uint8)).shape == (0, 10)


def test_a_figure_says_what_it_is() -> None:
    measured = score(np.array([[0.4], [0.0]], np.float32), np.zeros(2, np.float32), STEERING)
    stated = figure(measured)
    assert (stated.name, stated.unit, stated.better, stated.samples) == ("rmse", "deg", "lower", 2)
    assert stated.value == Decimal("7.071068")
