"""Whether a round suits this machine: asked before a stake is at risk."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from agent.core.round import Input, Round, Task
from agent.errors import Malformed
from agent.learn import export, fitness, networks, teacher
from tools.bench.plain_round import bundle, plain_round


def _published(round: Round, folder: Path) -> Path:
    bundle(round, folder)
    (folder / "model.onnx").write_bytes(export.export(networks.build(round), round.input))
    return folder


def test_a_pilotnet_suits_a_small_board(tmp_path: Path) -> None:
    round = plain_round()
    fitness.check(round, _published(round, tmp_path), 1024)


def test_a_round_that_needs_more_memory_than_there_is_is_passed_over(tmp_path: Path) -> None:
    round = plain_round()
    with pytest.raises(fitness.Unfit, match="memory_mb is 300"):
        fitness.check(round, _published(round, tmp_path), 300)


def test_unknown_hyper_parameters_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no hyper-parameter depth"):
        fitness.check(plain_round(hyper={"depth": 3}), tmp_path, 1024)


def test_a_bundle_without_a_graph_is_refused(tmp_path: Path) -> None:
    round = plain_round()
    with pytest.raises(Malformed, match="holds no model"):
        fitness.check(round, bundle(round, tmp_path), 1024)


def test_weights_of_another_shape_than_the_graphs_are_refused(tmp_path: Path) -> None:
    round = plain_round(hyper={"width_percent": 50})
    folder = _published(round, tmp_path)
    other = bundle(plain_round(), tmp_path / "other")
    (other / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(Malformed, match="the base has"):
        fitness.check(round, folder, 2048)


@pytest.mark.parametrize(("teachers", "why"), [("abc", "gives 3 numbers, the round needs 2"), ("ab", None)])
def test_a_round_whose_teacher_knows_other_classes_is_passed_over(
    tmp_path: Path, teachers: str, why: str | None
) -> None:
    def of(classes: str) -> Round:
        task = Task(kind="classification", labels="teacher", classes=tuple(classes))
        return plain_round(network="deepchain", task=task, sample=Input(height=28, width=28, colour="grey"))

    round = of("ab")
    folder = _published(round, tmp_path)
    (folder / teacher.NAME).write_bytes(export.export(networks.build(of(teachers)), round.input))
    with pytest.raises(teacher.OtherTeacher, match=why) if why else nullcontext():
        fitness.check(round, folder, 2048)


def test_a_round_that_says_it_has_a_teacher_and_has_none_is_refused(tmp_path: Path) -> None:
    task = Task(kind="classification", labels="teacher", classes=("a", "b"))
    round = plain_round(network="deepchain", task=task, sample=Input(height=28, width=28, colour="grey"))
    with pytest.raises(Malformed, match="teacher"):
        fitness.check(round, _published(round, tmp_path), 2048)
