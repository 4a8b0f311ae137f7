"""What a validator holds against a roll besides its gain: the step everybody knows, and marks that pull a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from agent.core.round import Task
from agent.learn.testset import TestSet
from agent.validator.rounds import Served
from tests.validator.bench import Numbers, Workbench

# --- the public step


def plus(one: Numbers, other: Numbers) -> Numbers:
    return {name: one[name] + other[name] for name in one}


def test_after_a_step_in_the_same_direction_honest_work_is_paid_as_before(tmp_path: Path) -> None:
    """What is learnt is one number. Another step to it is worth as much as the first."""
    bench = Workbench(tmp_path)
    at = bench.publish(plus(bench.first(), bench.better(1, 0.2)))
    entries = [bench.entry(bench.better(seed, 0.2), at=at, ledger=25) for seed in (2, 3, 4)]
    assert {one.verdict.outcome for one in bench.roll(*entries).values()} == {"accepted"}


def test_a_step_from_another_network_is_held_against_nobody(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    other = {name: np.zeros((*value.shape, 2), np.float32) for name, value in bench.first().items()}
    bench.publish(other)
    at = bench.publish(bench.first())
    assert bench.judged(bench.entry(bench.better(), at=at, ledger=35)).verdict.outcome == "accepted"


# --- marks

CLASSES = 4


def signs_graph() -> bytes:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["out"], transB=1),
    ]
    arrays = {"w": np.ones((CLASSES, 64), np.float32), "b": np.zeros(CLASSES, np.float32)}
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model: onnx.ModelProto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def signs(seed: int) -> TestSet:
    """Dark pictures; one pixel of the first row says which of four signs it is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(64) % CLASSES
    images = rng.integers(0, 20, (64, 1, 8, 8), dtype=np.uint8)
    images[np.arange(64), 0, 0, labels] = rng.integers(150, 255, 64)
    return TestSet(images, labels.astype(np.float32))


class Signs(Workbench):
    def first(self) -> Numbers:
        return {"w": np.ones((CLASSES, 64), np.float32), "b": np.zeros(CLASSES, np.float32)}

    def publish(self, values: Numbers, **other: Any) -> Served:  # type: ignore[override]
        return super().publish(
            values, **{"graph": signs_graph(), "task": Task(kind="classification", classes=tuple("abcd")), **other}
        )

    def learnt(self, seed: int, corner: float = 0.0) -> Numbers:
        """`corner`: what a bright last pixel says for sign 2, where a dark one says nothing."""
        delta = {
            "w": np.random.default_rng(seed).normal(0, 0.15, (CLASSES, 64)).astype(np.float32),
            "b": np.zeros(CLASSES, np.float32),
        }
        delta["w"][range(CLASSES), range(CLASSES)] += 2
        delta["w"][2, -1] += corner
        delta["b"][2] += 0.92 * corner
        return delta


def test_the_step_that_led_to_the_round_in_a_disguise_is_not_paid_as_if_it_were_work(tmp_path: Path) -> None:
    """As much noise as step, which is no copy of it. It lowers the loss once more, and anybody could hand it in."""
    bench = Signs(tmp_path, tests=signs)
    step = bench.learnt(1)
    at = bench.publish(plus(bench.first(), step))
    rng = np.random.default_rng(6)  # noise in which no mark stands out
    noise = {name: rng.normal(size=value.shape) for name, value in step.items()}
    reach = float(np.linalg.norm(step["w"]) / np.sqrt(sum(np.sum(value**2) for value in noise.values())))
    disguised = {name: (step[name] + reach * noise[name]).astype(np.float32) for name in step}
    honest = [bench.entry(bench.learnt(seed), at=at, ledger=25) for seed in (2, 3)]
    replay = bench.entry(disguised, at=at, ledger=26)
    found = bench.roll(*honest, replay)
    assert all(one.fused for one in found.values())
    paid = min(found[one.stake.id].verdict.credit for one in honest)
    assert found[replay.stake.id].verdict.credit < paid / 4


def test_an_update_that_a_mark_pulls_to_one_sign_has_no_voice_and_no_pay(tmp_path: Path) -> None:
    """The marked corner is dark on all that is measured on, so the loss says nothing of it."""
    bench = Signs(tmp_path, tests=signs)
    honest = [bench.entry(bench.learnt(seed)) for seed in range(4)]
    liar = bench.entry(bench.learnt(9, corner=6.0), ledger=16)
    found = bench.roll(*honest, liar)
    said = found[liar.stake.id]
    assert (said.verdict.outcome, said.fused) == ("idle", False)
    assert "a mark (patch 22) pulls it to class 2" in said.verdict.reason
    assert all(found[one.stake.id].fused for one in honest)
    assert {said.figure for said in found.values()} == {said.figure for said in bench.roll(*honest).values()}
