"""What a vehicle trains on: a teacher's labels in place of the driver's, and, without a network, the last round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from stellar_sdk import Keypair

from agent.compose.vehicle import preferences, resources
from agent.content.folder import FolderStore
from agent.core.jobs.contribution import Job, Opened, Step
from agent.core.round import Input, Round, Task
from agent.host.sections import Config
from agent.journal import Journal, JournalDamaged
from agent.learn import networks
from agent.learn.device import HERE
from agent.learn.export import export
from agent.learn.teacher import NAME, OtherTeacher
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.market.bundle import Shelf
from agent.ports import LabelledFrame
from agent.vehicle import steps
from agent.vehicle.book import TRIP, JobBook
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from agent.vehicle.shadow import ShadowEvaluation
from tests.vehicle import trips
from tools.bench.plain_round import bundle, plain_round
from tools.demo.hostile import NoiseTrainer

RED, GREEN, GREY = (0, 0, 255), (0, 255, 0), (128, 128, 128)  # BGR, as a camera gives them
CLASSES = ("red", "green", "blue")
ROUND = Round.model_construct(
    task=Task(kind="classification", labels="teacher", classes=CLASSES), input=Input(height=8, width=8, colour="rgb")
)


def teacher(folder: Path, classes: int) -> None:
    """Sure of pure colours: its outputs are five times the mean of each channel."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["out"], transB=1),
    ]
    made = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(5 * np.eye(3, dtype=np.float32)[:classes], "w")],
    )
    folder.mkdir()
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / NAME)


def frame(colour: tuple[int, int, int], driver: float | None) -> LabelledFrame:
    return LabelledFrame(0.0, np.full((24, 32, 3), colour, np.uint8), driver)


@pytest.fixture
def shop(tmp_path: Path) -> ContributionBuilder:
    shelf = Shelf(tmp_path / "bundles", FolderStore(tmp_path / "content"))
    return ContributionBuilder(resources(Config()), shelf, NoiseTrainer(), Keypair.random(), tmp_path / "jobs")


def test_a_teachers_labels_take_the_drivers_place_and_what_it_is_not_sure_of_has_none(
    shop: ContributionBuilder, tmp_path: Path
) -> None:
    teacher(tmp_path / "base", 3)
    taught: list[float | None] = []
    sink = shop.taught(ROUND, tmp_path / "base", lambda seen: taught.append(seen.label))
    for colour in (RED, GREEN, GREY):
        sink(frame(colour, driver=7.0))
    assert taught == [0.0, 1.0, None]


def test_a_teacher_of_other_classes_is_refused_before_a_frame_is_labelled(
    shop: ContributionBuilder, tmp_path: Path
) -> None:
    teacher(tmp_path / "base", 2)
    with pytest.raises(OtherTeacher, match="the round needs 3"):
        shop.taught(ROUND, tmp_path / "base", lambda seen: None)


def test_without_a_job_before_there_is_no_last_choice_to_train_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    book = JobBook(journal)
    assert not book.last_choice
    book.record("trip-000001", Opened(40), 0.0)
    book.record("trip-000001", trips.chosen(reward=1), 0.0)
    assert book.last_choice == trips.chosen(reward=1)
    journal.close()
    again = Journal(tmp_path / "journal.sqlite")
    assert JobBook(again).last_choice == trips.chosen(reward=1)
    again.close()


@pytest.mark.parametrize("note", ["", "{", "[]", "7", '{"total_m": "x"}', '{"total_m": -1, "since_m": 0, "open_s": 0}'])
def test_a_trip_note_of_an_older_agent_that_has_rotted_is_told_as_that(tmp_path: Path, note: str) -> None:
    """It was a traceback at each start."""
    journal = Journal(tmp_path / "journal.sqlite")
    journal.remember(TRIP, note)
    book = JobBook(journal)
    if not note:
        assert book.mileage().mileage.total_m == 0
    else:
        with pytest.raises(JournalDamaged, match="remembered as trip is no mileage"):
            book.mileage()
    journal.close()


@pytest.mark.parametrize("here", [True, False])
def test_without_a_network_it_trains_on_the_round_it_had_last_if_that_is_still_here(
    shop: ContributionBuilder, here: bool
) -> None:
    last = trips.chosen(round="QmLast", number=3, reward=5)
    nowhere = Horizon("http://127.0.0.1:9", "Nowhere ; 2026", timeout=1)
    context = StepContext(preferences(Config()), nowhere, shop.shelf, shop.keypair, shop, list, lambda: last)
    if here:
        (shop.shelf.folder / "QmLast").mkdir(parents=True)
        assert steps.do(context, Job("trip-000002"), Step.CHOOSE) == [replace(last, offline=True)]
    else:
        with pytest.raises(LedgerUnavailable):
            steps.do(context, Job("trip-000002"), Step.CHOOSE)


def test_a_trip_says_what_the_round_would_have_done_on_its_road_and_what_the_one_before(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("newest", "before")]
    for seed, folder in enumerate(folders):
        round_ = plain_round(network="deepchain", sample=Input(height=28, width=28, colour="grey"))
        bundle(round_, folder, seed)
        (folder / "model.onnx").write_bytes(export(networks.build(round_), round_.input))
    shadow = ShadowEvaluation(round_)
    for seen in range(1000):
        shadow.see(LabelledFrame(seen / 20, np.full((30, 30, 3), seen % 200, np.uint8), 3.0))
        shadow.see(LabelledFrame(seen / 20, np.zeros((30, 30, 3), np.uint8), None))
    alone, beside = (shadow.verdict(folders[0], last, HERE) for last in (None, folders[1]))
    assert alone is not None and beside is not None
    assert (alone.samples, alone.last, alone.worse) == (100, None, False)
    assert alone.newest == beside.newest != beside.last
