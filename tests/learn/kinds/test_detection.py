"""Detection: labels, loss and figure by examples worked out by hand, and it learns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from agent.core.boxes import Box
from agent.core.round import Task
from agent.errors import Malformed
from agent.learn import architecture, fitness, graph, networks, update
from agent.learn.export import export
from agent.learn.kinds.detection import MOST, Detection
from agent.learn.score import Scorer, score
from agent.learn.teacher import Teacher
from tools.bench.boxes import as_set
from tools.bench.plain_round import bundle, plain_round
from tools.bench.vehicles import vehicle
from tools.simulation.shapes import SPEC, TASK, drawings

ONE = Task(kind="detection", labels="folder", classes=("sign",))
TINY = Detection(ONE, (1, 16, 16))
"""Four cells of one class, whose centres are at 4 and 12."""
LN2 = math.log(2)


def label(*boxes: tuple[float, ...]) -> np.ndarray:
    found = np.full((1, MOST, 5), -1, np.float32)
    for row, one in enumerate(boxes):
        found[0, row] = one
    return found


def says(cell: int, logit: float = 8.0, at: tuple[float, ...] = (0, 0, 0, 0)) -> np.ndarray:
    """Outputs of which one cell is sure of a box; all others are as sure that there is none."""
    out = np.zeros((1, 5, 4))
    out[0, 0] = -8.0
    out[0, :, cell] = (logit, *at)
    return out.reshape(1, -1)


def test_an_empty_picture_costs_what_its_cells_say_too_much() -> None:
    """Four cells at even odds: 4 x .75 x .5^2 x ln 2."""
    measured = score(np.zeros((1, 20), np.float32), label(), TINY)
    assert measured.loss == pytest.approx(4 * 0.75 * 0.25 * LN2)


def test_a_box_that_its_cell_finds_exactly_costs_its_class_alone() -> None:
    """Outputs of nought are a box of a cell's size in its middle. One cell is to be .25 x .5^2 x ln 2."""
    measured = score(np.zeros((1, 20), np.float32), label((0, 0, 0, 0.5, 0.5)), TINY)
    assert measured.loss == pytest.approx((0.25 + 3 * 0.75) * 0.25 * LN2, abs=1e-6)


def test_a_box_that_is_off_costs_what_the_two_do_not_share() -> None:
    """The cell's own 8 x 8 against 8 x 4 in the middle of it: IoU and GIoU .5."""
    measured = score(np.zeros((1, 20), np.float32), label((0, 0, 0.125, 0.5, 0.375)), TINY)
    assert measured.loss == pytest.approx((0.25 + 3 * 0.75) * 0.25 * LN2 + 0.5, abs=1e-6)


def test_cells_share_a_large_box_and_the_smaller_of_two_goes_first() -> None:
    large, small = (0, 0, 0, 1, 1), (0, 0, 0, 0.4, 0.4)
    (found,) = TINY.targets(label(large, small))
    assert found[:, 0].tolist() == [0, 0, 0, 0]
    assert found[0, 1:] == pytest.approx([0, 0, 6.4, 6.4])
    assert found[3, 1:] == pytest.approx([0, 0, 16, 16])


def test_a_box_smaller_than_between_two_centres_is_looked_for_all_the_same() -> None:
    (found,) = TINY.targets(label((0, 0.05, 0.05, 0.15, 0.15)))
    assert found[:, 0].tolist() == [0, -1, -1, -1]


def test_what_the_outputs_say_is_found_where_it_is() -> None:
    (found,) = TINY.found(says(3, at=(0.5, -0.25, 0.0, math.log(0.5))))
    assert found[:, 0].tolist() == [0]
    assert found[0, 2:] == pytest.approx([12, 8, 16, 12])  # clipped at the right
    assert score(says(3).astype(np.float32), label((0, 0.5, 0.5, 1, 1)), TINY).figure == 1.0
    assert score(says(0).astype(np.float32), label((0, 0.5, 0.5, 1, 1)), TINY).figure == 0.0


def test_outputs_that_are_no_numbers_cost_without_end() -> None:
    assert score(np.full((1, 20), np.nan, np.float32), label(), TINY).loss == math.inf


@pytest.mark.parametrize(
    ("boxes", "why"),
    [
        (label((1, 0, 0, 1, 1)), "none of the 1 classes"),
        (label((0.5, 0, 0, 1, 1)), "none of the 1 classes"),
        (label((0, 0.5, 0, 0.5, 1)), "empty, or beyond"),
        (label((0, 0, 0, 1.5, 1)), "empty, or beyond"),
        (np.zeros((1, 5), np.float32), "a label is"),
    ],
)
def test_a_test_set_of_other_boxes_is_refused(boxes: np.ndarray, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        score(np.zeros((1, 20), np.float32), boxes, TINY)


def test_a_box_moves_with_the_crop_and_is_left_out_where_little_of_it_is_left() -> None:
    half = TINY.written((Box(0, 0.2, 0.5, 0.4, 1.0), Box(0, 0.0, 0.0, 1.0, 0.6)), crop_top=0.5)
    assert half is not None
    assert half[0] == pytest.approx([0, 0.2, 0.0, 0.4, 1.0])
    assert half[1, 0] == -1
    assert Box(0, 0.2, 0.5, 0.4, 1.0) == Box(0, 0.2, 0.0, 0.4, 1.0).above(0.5)


def test_a_label_of_another_class_is_none_of_the_tasks() -> None:
    assert TINY.written((Box(1, 0, 0, 1, 1),), 0.0) is None
    assert TINY.written(3.0, 0.0) is None


def test_of_too_many_boxes_the_largest_count() -> None:
    boxes = tuple(Box(0, 0, 0, 0.1 + 0.01 * number, 0.5) for number in range(MOST + 8))
    written = TINY.written(boxes, 0.0)
    assert written is not None
    assert (written[:, 0] == 0).all() and written[0, 3] == pytest.approx(0.1 + 0.01 * (MOST + 7))
    assert written[:, 3].min() == pytest.approx(0.18)


def test_a_teacher_says_nothing_of_a_picture_in_which_it_half_sees_something() -> None:
    sure, half, nothing = says(0), says(0, logit=0.0), says(0, logit=-8.0)
    found = TINY.sure(np.concatenate([sure, half, nothing]), confidence=0.8, crop_top=0.5)
    assert found[0] == (Box(0, 0.0, 0.5, 0.5, 0.75),)
    assert found[1:] == [None, ()]


def test_a_drive_has_no_boxes() -> None:
    with pytest.raises(ValueError, match="a drive says nothing of boxes"):
        Task(kind="detection", classes=("sign",))


def test_a_network_for_angles_finds_no_boxes() -> None:
    with pytest.raises(Malformed, match="pilotnet is no network for detection; smallfcos finds boxes"):
        architecture.hyper(plain_round(task=ONE))
    with pytest.raises(Malformed, match="smallfcos is no network for steering"):
        architecture.hyper(plain_round(network="smallfcos"))
    with pytest.raises(Malformed, match="at least one class"):
        architecture.outputs(plain_round(network="smallfcos", task=ONE.model_copy(update={"classes": ()})))


def test_the_built_in_network_is_a_round_that_a_board_takes_and_a_teacher_for_the_next(tmp_path: Path) -> None:
    round_ = plain_round(network="smallfcos", task=TASK.model_copy(update={"labels": "teacher"}), sample=SPEC)
    made = export(networks.build(round_), SPEC)
    folder = bundle(round_, tmp_path)
    (folder / "model.onnx").write_bytes(made)
    (folder / "teacher.onnx").write_bytes(made)
    fitness.check(round_, folder, 1024)
    checked = graph.check(made)
    drawn = as_set(drawings(2, 1))
    assert Teacher(checked, round_).label(drawn.images) == [(), ()]  # a fresh one is sure that there is nothing


@pytest.mark.slow
def test_boxes_are_learnt_and_what_was_learnt_travels(tmp_path: Path) -> None:
    """On drawn shapes: from nothing to something in 150 steps, by an update in eight bits. What more of them come to is
    in docs/benchmarks.md."""
    round_ = plain_round(network="smallfcos", task=TASK, sample=SPEC, steps=150, batch=32, learning_rate="0.003")
    folder, unseen = bundle(round_, tmp_path / "bundle"), as_set(drawings(150, 99))
    scorer = Scorer(graph.check(export(networks.build(round_), SPEC)), TASK)
    car = vehicle(as_set(drawings(400, 1)), round_, tmp_path / "car", seed=1)
    base = networks.build(round_, seed=0).state_dict()
    before = scorer.score({name: value.numpy() for name, value in base.items()}, unseen.images, unseen.labels)
    data = car.contribute(round_, folder, 0, "dense-int8")
    weights = {name: value.numpy() for name, value in base.items()}
    change = update.decode(data, weights)
    after = scorer.score({name: weights[name] + change[name] for name in weights}, unseen.images, unseen.labels)
    assert after.loss < before.loss
    assert before.figure < 0.01 and after.figure > 0.02
