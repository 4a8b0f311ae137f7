"""The vehicle's own trips: what one saw is not told of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stellar_sdk import Keypair

from agent.compose.vehicle import resources
from agent.content.folder import FolderStore
from agent.core.jobs.contribution import Job, Shadow, Trained
from agent.core.jobs.fold import Event
from agent.core.round import Input
from agent.host.sections import Config
from agent.learn import networks
from agent.learn.export import export
from agent.market.bundle import Shelf
from agent.ports import LabelledFrame
from agent.vehicle.builder import ContributionBuilder
from tests.vehicle import trips
from tools.bench.plain_round import bundle, plain_round
from tools.demo.hostile import NoiseTrainer

SMALL, LARGE = "Qm" + "s" * 44, "Qm" + "g" * 44
INITIATOR, VALIDATOR = Keypair.random().public_key, Keypair.random().public_key


@pytest.fixture
def shop(tmp_path: Path) -> ContributionBuilder:
    """With two rounds that take samples of other sizes."""
    shelf = Shelf(tmp_path / "bundles", FolderStore(tmp_path / "content"))
    for name, side in ((SMALL, 28), (LARGE, 32)):
        plain = plain_round(network="deepchain", sample=Input(height=side, width=side, colour="grey"))
        round_ = plain.model_copy(update={"initiator": INITIATOR, "committee": (VALIDATOR,)})
        folder = bundle(round_, shelf.folder / name)
        (folder / "model.onnx").write_bytes(export(networks.build(round_), round_.input))
    return ContributionBuilder(resources(Config()), shelf, NoiseTrainer(), Keypair.random(), tmp_path / "jobs")


def begun(shop: ContributionBuilder, number: int, round_cid: str) -> Job:
    job = trips.job(trips.chosen(round=round_cid), name=f"trip-{number:06d}")
    shop.trainer.start(shop.task(job))
    return job


def drive(shop: ContributionBuilder, job: Job) -> None:
    evaluation = shop.shadow(shop.task(job))
    for seen in range(1000):
        evaluation.see(LabelledFrame(seen / 20, np.full((30, 30, 3), seen % 200, np.uint8), 3.0))


def shadow(made: list[Event]) -> Shadow | None:
    (event,) = made
    assert isinstance(event, Trained)
    return event.shadow


def test_what_an_earlier_trip_saw_is_not_told_of_a_later_one_and_does_not_fail_it(shop: ContributionBuilder) -> None:
    """(gg) The second trip saw nothing (its labels lie in a folder), and its round takes samples of another size."""
    first, second = begun(shop, 1, SMALL), begun(shop, 2, LARGE)
    drive(shop, first)
    assert shadow(shop.finish(second)) is None
    assert shadow(shop.finish(first))


def test_a_trip_that_is_finished_after_the_next_began_tells_of_itself(shop: ContributionBuilder) -> None:
    """(gg) The next trip's camera is on while this one's contribution is made."""
    first, second = begun(shop, 1, SMALL), begun(shop, 2, LARGE)
    drive(shop, first)
    alone = shadow(shop.finish(first))
    drive(shop, second)
    assert shadow(shop.finish(first)) == alone
    assert shadow(shop.finish(second)) != alone
    drive(shop, begun(shop, 3, SMALL))
    assert shadow(shop.finish(first)) is None, "not kept for ever"


def test_a_shadow_that_cannot_be_had_fails_no_trip(shop: ContributionBuilder) -> None:
    """(gg) Nothing steers by it."""
    job = begun(shop, 1, SMALL)
    drive(shop, job)
    (shop.shelf.folder / SMALL / "model.onnx").write_bytes(b"rotten")
    assert shadow(shop.finish(job)) is None
