"""Samples of earlier trips: bounded, encrypted at rest, forgotten with their model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.compose.vehicle import training
from agent.errors import Malformed
from agent.host.sections import Train
from agent.learn import replay
from agent.learn.replay import ReplayBuffer
from agent.learn.samples import Reservoir
from agent.learn.trainer import ChildTrainer
from tests.learn.trips import DIGITS, SMALL, road, task, until
from tools.bench.plain_round import plain_round

pytestmark = pytest.mark.slow

ROUND = plain_round(network="deepchain", sample=SMALL)
KEY = b"k" * 32


def _trip(value: int, count: int = 20) -> Reservoir:
    trip = Reservoir.sized(SMALL, 1, 0)
    for _ in range(count):
        trip.add(np.full((28, 28, 1), value, np.uint8), float(value))
    return trip


def test_in_memory_the_past_outlives_each_child() -> None:
    memory = os.memfd_create("past")
    os.ftruncate(memory, replay.size(ROUND, 0.1))
    ReplayBuffer(ROUND, 0.1, memory, None, b"").keep(_trip(3))
    again = ReplayBuffer(ROUND, 0.1, memory, None, b"").reservoir
    assert len(again) == 20
    assert set(again.labels[:20].tolist()) == {3.0}
    assert (again.images[:20] == 3).all()
    os.close(memory)


def test_in_a_file_it_outlives_the_daemon_and_is_not_readable(tmp_path: Path) -> None:
    path = tmp_path / "past"
    ReplayBuffer(ROUND, 0.1, None, path, KEY).keep(_trip(77))
    assert bytes([77] * 8) not in path.read_bytes()
    again = ReplayBuffer(ROUND, 0.1, None, path, KEY).reservoir
    assert len(again) == 20
    assert (again.images[:20] == 77).all()


def test_with_another_key_it_stays_shut(tmp_path: Path) -> None:
    path = tmp_path / "past"
    ReplayBuffer(ROUND, 0.1, None, path, KEY).keep(_trip(1))
    with pytest.raises(Malformed, match="does not open with this car's key"):
        ReplayBuffer(ROUND, 0.1, None, path, b"x" * 32)


def test_another_model_does_not_see_it() -> None:
    memory = os.memfd_create("past")
    os.ftruncate(memory, replay.size(ROUND, 0.1))
    ReplayBuffer(ROUND, 0.1, memory, None, b"").keep(_trip(3))
    digits = plain_round(network="deepchain", sample=SMALL, task=DIGITS)
    assert len(ReplayBuffer(digits, 0.1, memory, None, b"").reservoir) == 0
    os.close(memory)


def test_it_never_grows_and_holds_the_first_trip_after_many() -> None:
    kept = ReplayBuffer(ROUND, 0.1, None, None, b"")
    for value in range(1, 11):
        kept.keep(_trip(value, 50))
    assert len(kept.reservoir) == len(kept.reservoir.labels) == 127
    assert (kept.reservoir.labels == 1).any()


@pytest.mark.parametrize("where", ["memory", "file"])
def test_the_second_trip_trains_on_the_first_ones_samples_too(tmp_path: Path, where: str) -> None:
    file = tmp_path / "past" if where == "file" else None
    trainer = ChildTrainer(replace(training(Train(past_mb=0.5)), past_file=file, past_key=KEY))
    first, second = task(tmp_path / "first"), task(tmp_path / "second")
    for what in (first, second):
        trainer.start(what)
        for frame in road(40):
            trainer.feed(frame)
        until(lambda: trainer.progress().steps > 5)
        trainer.finish(what)
    if file is None:
        memory = trainer._past
        assert memory is not None
        kept = ReplayBuffer(first.round, 0.5, memory, None, b"")
    else:
        kept = ReplayBuffer(first.round, 0.5, None, file, KEY)
    assert kept.reservoir.added == 80
    trainer.close()
