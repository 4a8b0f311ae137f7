"""Labels from a teacher: only where it is sure, and only when it teaches what the round asks for."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from agent.core.round import Input, Round, Task
from agent.learn import graph
from agent.learn.runner import Runner
from agent.learn.shadow import Shadow
from agent.learn.teacher import OtherTeacher, Teacher


def _linear(weights: np.ndarray) -> graph.Graph:
    """A graph whose outputs are `weights` (k, 3) times the mean of each channel, scaled to [-1, 1]."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["out"], transB=1),
    ]
    made = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", len(weights)])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return graph.check(model.SerializeToString())


def _round(**task: object) -> Round:
    return Round.model_construct(task=Task.model_validate(task), input=Input(height=8, width=8, colour="rgb"))


def _plain(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.tile(np.array(c, np.uint8)[:, None, None], (1, 8, 8)) for c in colours])


RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (128, 128, 128)
COLOURS = {"kind": "classification", "classes": ("red", "green", "blue"), "confidence": Decimal("0.8")}


def test_a_teacher_labels_what_it_is_sure_of_and_leaves_the_rest() -> None:
    teacher = Teacher(_linear(5 * np.eye(3)), _round(**COLOURS))
    assert teacher.label(_plain(RED, GREEN, GREY)) == [0.0, 1.0, None]


def test_a_steering_teacher_says_its_angle_and_how_sure_it_is() -> None:
    # The angle follows from red, the confidence from green.
    teacher = Teacher(_linear(np.array([[1, 0, 0], [0, 9, 0]])), _round(kind="steering", confidence="0.9"))
    assert teacher.label(_plain((255, 255, 0), (0, 255, 0), (255, 0, 0))) == [25.0, -25.0, None]


def test_a_teacher_of_other_classes_or_samples_is_refused() -> None:
    with pytest.raises(OtherTeacher, match="gives 2 numbers, the round needs 3"):
        Teacher(_linear(np.eye(3)[:2]), _round(**COLOURS))
    other = Round.model_construct(task=Task.model_validate(COLOURS), input=Input(height=16, width=16))
    with pytest.raises(OtherTeacher, match="takes samples"):
        Teacher(_linear(np.eye(3)), other)


def test_a_round_that_does_worse_on_this_cars_roads_is_marked() -> None:
    steering = Task(kind="steering")
    good, bad = Runner(_linear(np.array([[1, 0, 0]]))), Runner(_linear(np.array([[0, 1, 0]])))
    rng = np.random.default_rng(0)
    samples = _plain(*[tuple(rng.integers(0, 256, 3)) for _ in range(100)])
    labels = 25 * (samples[:, 0, 0, 0].astype(np.float32) / 127.5 - 1)

    for newest, last, worse in ((bad, good, True), (good, bad, False), (good, good, False)):
        shadow = Shadow(newest, last, steering)
        shadow.see(samples[:50], labels[:50])
        assert shadow.verdict() is None, "nothing is said about a handful of frames"
        shadow.see(samples[50:], labels[50:])
        verdict = shadow.verdict()
        assert verdict is not None
        assert (verdict.worse, verdict.samples) == (worse, 100)
        mine = verdict.newest if newest is good else verdict.last
        assert mine == pytest.approx(0, abs=1e-3)

    alone = Shadow(good, None, steering)
    alone.see(samples, labels)
    verdict = alone.verdict()
    assert verdict is not None and (verdict.last, verdict.worse) == (None, False)
    assert verdict.newest == pytest.approx(0, abs=1e-3)
