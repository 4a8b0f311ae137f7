"""What every Trainer promises: the child process, and the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.compose.vehicle import training
from agent.errors import Refused
from agent.host.sections import Train
from agent.learn import checkpoint
from agent.learn.inprocess import InProcessTrainer
from agent.learn.result import NothingLearnt
from agent.learn.trainer import ChildTrainer
from agent.ports import LabelledFrame, Progress, Trainer
from tests.learn.trips import road, task, until

pytestmark = pytest.mark.slow

Maker = Callable[[], Trainer]


@pytest.fixture(params=[ChildTrainer, InProcessTrainer])
def make(request: pytest.FixtureRequest) -> Iterator[Maker]:
    made: list[Trainer] = []

    def maker() -> Trainer:
        made.append(request.param(training(Train())))
        return made[-1]

    yield maker
    for trainer in made:
        trainer.close()


def test_frames_go_in_and_better_weights_come_out(make: Maker, tmp_path: Path) -> None:
    trainer, what = make(), task(tmp_path)
    trainer.start(what)
    for frame in road(100):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps >= 20)
    progress = trainer.progress()
    assert progress.device == "cpu"
    assert progress.loss is not None
    assert progress.trouble is None
    trained = trainer.finish(what)
    assert trained.steps >= 20
    assert 60 <= trained.samples <= 100
    base = checkpoint.read_weights(what.base / "weights.safetensors")
    after = checkpoint.read_weights(trained.weights)
    assert {name: value.shape for name, value in after.items()} == {n: v.shape for n, v in base.items()}
    assert any((after[name] != base[name]).any() for name in base)


def test_starting_twice_is_starting_once(make: Maker, tmp_path: Path) -> None:
    trainer, what = make(), task(tmp_path)
    trainer.start(what)
    trainer.start(what)
    with pytest.raises(Refused, match="is still training"):
        trainer.start(task(tmp_path / "another"))


def test_finishing_twice_gives_the_same(make: Maker, tmp_path: Path) -> None:
    trainer, what = make(), task(tmp_path)
    trainer.start(what)
    for frame in road(60):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps >= 3)
    assert trainer.finish(what) == trainer.finish(what)


def test_a_new_trainer_hands_over_what_the_last_checkpoint_holds(make: Maker, tmp_path: Path) -> None:
    first, what = make(), task(tmp_path)
    first.start(what)
    for frame in road(60):
        first.feed(frame)
    until(lambda: first.progress().steps >= 3)
    trained = first.finish(what)
    assert make().finish(what) == trained


def test_training_goes_on_from_its_checkpoint(make: Maker, tmp_path: Path) -> None:
    first, what = make(), task(tmp_path, steps=10_000)
    first.start(what)
    for frame in road(60):
        first.feed(frame)
    until(lambda: first.progress().steps >= 3)
    before = first.finish(what)
    again = make()
    again.start(what)
    for frame in road(60, start=60):
        again.feed(frame)
    until(lambda: again.progress().steps > before.steps)
    after = again.finish(what)
    assert after.steps > before.steps
    assert after.samples > before.samples


def test_a_stretch_without_labels_is_skipped_and_counted(make: Maker, tmp_path: Path) -> None:
    trainer = make()
    trainer.start(task(tmp_path))
    for frame in road(30):
        trainer.feed(LabelledFrame(frame.t, frame.image, None))
    assert trainer.progress().unlabelled == 30


def test_with_nothing_fed_there_is_nothing_to_hand_over(make: Maker, tmp_path: Path) -> None:
    trainer, what = make(), task(tmp_path)
    trainer.start(what)
    with pytest.raises(NothingLearnt, match="no training step"):
        trainer.finish(what)


def test_on_hold_frames_are_taken_and_no_step_is_made(make: Maker, tmp_path: Path) -> None:
    trainer, what = make(), task(tmp_path)
    trainer.start(what)
    trainer.hold(True)
    for frame in road(60):
        trainer.feed(frame)
    until(lambda: trainer.progress().samples >= 40)
    assert trainer.progress().steps == 0
    trainer.hold(False)
    for frame in road(60, start=60):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps >= 3)
    assert trainer.progress().dropped == 0


def test_before_a_start_and_after_a_close_everything_is_harmless(make: Maker) -> None:
    trainer = make()
    trainer.feed(next(road(1)))
    trainer.hold(True)
    assert trainer.progress() == Progress()
    trainer.close()
    trainer.close()
    trainer.feed(next(road(1)))
