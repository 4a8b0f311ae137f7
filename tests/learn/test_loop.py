"""The loop: the same every time, finite always, and it learns."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.compose.vehicle import training
from agent.core.round import Decay, Figure
from agent.errors import MilepostError
from agent.host.sections import Train
from agent.learn import checkpoint, loop, networks
from agent.learn.adam import Adam
from agent.learn.inprocess import InProcessTrainer
from agent.learn.kinds.steering import bend
from agent.learn.result import NothingLearnt
from agent.learn.samples import Reservoir, prepare
from agent.ports import LabelledFrame, Trained, TrainingTask
from tests.learn.trips import road, task


def _drive(what: TrainingTask, frames: int = 200) -> Trained:
    trainer = InProcessTrainer(training(Train()))
    trainer.start(what)
    for frame in road(frames):
        trainer.feed(frame)
    return trainer.finish(what)


def _error(what: TrainingTask, weights: Path) -> float:
    network = networks.build(what.round)
    loop.load_weights(network, checkpoint.read_weights(weights))
    held = Reservoir.sized(what.round.input, 1, 0)
    for frame in road(300, seed=99):
        held.add(prepare(frame.image, what.round.input), float(frame.label or 0))
    return loop.figure(network, held, what.round) or 0.0


def test_a_trip_makes_the_network_better_on_frames_it_never_saw(tmp_path: Path) -> None:
    what = task(tmp_path)
    trained = _drive(what)
    assert _error(what, trained.weights) < _error(what, what.base / "weights.safetensors") / 2
    assert trained.steps == 185  # one a frame once sixteen are there; the frames held back count too
    assert trained.held_back is not None


@pytest.mark.slow
def test_the_same_frames_and_seed_give_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    one, two = (_drive(task(tmp_path / name)).weights.read_bytes() for name in ("one", "two"))
    assert one == two
    assert _drive(task(tmp_path / "other", seed=8)).weights.read_bytes() != one


def test_training_ends_with_its_planned_steps(tmp_path: Path) -> None:
    assert _drive(task(tmp_path, steps=20)).steps == 20


def test_no_sample_is_drawn_more_often_than_the_recipe_says(tmp_path: Path) -> None:
    trained = _drive(task(tmp_path, batch=16, passes=4))
    assert trained.steps == -(-trained.samples * 4 // 16)


def test_a_model_that_is_nearly_right_learns_in_smaller_steps(tmp_path: Path) -> None:
    def moved(error: str) -> float:
        what = task(tmp_path / error, steps=20)
        figure = Figure(name="rmse", unit="deg", better="lower", value=Decimal(error), samples=100)
        decay = Decay(power=Decimal(2), floor=Decimal("0.01"), start=Decimal(12))
        recipe = what.round.recipe.model_copy(update={"decay": decay})
        what = replace(what, round=what.round.model_copy(update={"figure": figure, "recipe": recipe}))
        base = checkpoint.read_weights(what.base / "weights.safetensors")
        after = checkpoint.read_weights(_drive(what, 60).weights)
        return float(sum(np.abs(after[name] - base[name]).sum() for name in base))

    assert moved("1.2") < moved("12") / 10


@pytest.mark.slow
def test_the_pull_keeps_the_weights_near_the_rounds(tmp_path: Path) -> None:
    def moved(pull: str) -> float:
        what = task(tmp_path / pull, pull=pull)
        base = checkpoint.read_weights(what.base / "weights.safetensors")
        after = checkpoint.read_weights(_drive(what).weights)
        return float(sum(np.square(after[name] - base[name]).sum() for name in base))

    assert moved("1") < moved("0") / 2


def test_a_batch_in_parts_gives_the_same_gradients() -> None:
    """What running out of memory changes is how much goes through at once, not what is learnt."""
    torch.manual_seed(0)
    layer, images, wanted = torch.nn.Linear(5, 1), torch.randn(8, 5), torch.randn(8, 1)
    torch.nn.functional.mse_loss(layer(images), wanted).backward()
    whole = layer.weight.grad.clone()
    layer.zero_grad()
    for part in (slice(0, 3), slice(3, 6), slice(6, 8)):
        (torch.nn.functional.mse_loss(layer(images[part]), wanted[part]) * (len(wanted[part]) / 8)).backward()
    assert torch.allclose(layer.weight.grad, whole, atol=1e-6)


def test_out_of_memory_halves_and_ends_at_one_sample() -> None:
    said: list[str] = []
    error = torch.OutOfMemoryError("CUDA out of memory")
    assert loop.smaller(64, error, loop.Options(say=said.append)) == 32
    assert said == ["Memory did not suffice for 64 samples at once: the batch is made of 32 each."]
    with pytest.raises(loop.TooLarge):
        loop.smaller(1, error, loop.Options())
    with pytest.raises(torch.OutOfMemoryError):
        loop.smaller(1, error, loop.Options(device="cuda"))
    with pytest.raises(RuntimeError, match="illegal address"):
        loop.smaller(64, RuntimeError("CUDA error: illegal address"), loop.Options())


def test_adam_is_torchs_own_adam() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    adam, reference = Adam(dict(ours.named_parameters())), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for number in range(1, 21):
        images = torch.randn(6, 4)
        for layer in (ours, theirs):
            layer(images).square().mean().backward()
        adam.step(number, 0.01)
        reference.step()
        reference.zero_grad()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


def _explosive(folder: Path) -> TrainingTask:
    """A base whose numbers are finite and whose outputs are not."""
    what = task(folder)
    path = what.base / "weights.safetensors"
    weights = {name: np.full_like(value, 1e30) for name, value in checkpoint.read_weights(path).items()}
    checkpoint.write_weights(path, weights)
    return what


def test_a_loss_that_is_no_number_is_undone_and_ends_after_three(tmp_path: Path) -> None:
    what = _explosive(tmp_path)
    trainer = InProcessTrainer(training(Train()))
    trainer.start(what)
    for frame in road(30):
        trainer.feed(frame)
    assert trainer.progress().trouble == "3 steps gave no usable loss: training ended with what was good."
    with pytest.raises(NothingLearnt, match="no training step was made"):
        trainer.finish(what)
    last = checkpoint.load(what.folder)
    assert last is not None
    assert last.state.learning_rate == pytest.approx(0.001 / 8)
    base = checkpoint.read_weights(what.base / "weights.safetensors")
    assert all(np.array_equal(last.weights[name], base[name]) for name in base)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    what = task(tmp_path)
    checkpoint.write_weights(what.base / "weights.safetensors", {"other": np.zeros(3, np.float32)})
    trainer = InProcessTrainer(training(Train()))
    trainer.start(what)
    with pytest.raises(MilepostError, match="does not name the same tensors"):
        trainer.feed(next(road(1)))


def test_too_few_samples_are_nothing_to_stake_on(tmp_path: Path) -> None:
    with pytest.raises(NothingLearnt, match="the round asks for 500"):
        _drive(task(tmp_path, minimum_samples=500), frames=60)


@pytest.mark.slow
def test_labels_that_have_nothing_to_do_with_the_pictures_are_nothing_to_stake_on(tmp_path: Path) -> None:
    """The base steers well; what the trip says is noise. Its own held-back frames show it."""
    good = task(tmp_path / "good")
    weights = _drive(good, 400).weights.read_bytes()
    what = task(tmp_path / "noise", learning_rate="0.05")
    (what.base / "weights.safetensors").write_bytes(weights)
    trainer = InProcessTrainer(training(Train()))
    trainer.start(what)
    for frame in road(1000):
        lies = 4 * (frame.label or 0) if int(frame.t // 2) % 10 != 3 else frame.label
        trainer.feed(LabelledFrame(frame.t, frame.image, lies))
    with pytest.raises(NothingLearnt, match="on its own held-back frames"):
        trainer.finish(what)


@pytest.mark.slow
@pytest.mark.parametrize(("half", "loss_scale"), [(torch.bfloat16, 1.0), (torch.float16, 128.0)])
def test_half_precision_learns_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: torch.dtype, loss_scale: float
) -> None:
    """As on a card, by the CPU's own half floats: forward in half, loss scaled and gradients scaled back."""
    whole = _drive(task(tmp_path / "whole", steps=150))
    monkeypatch.setattr(loop, "autocast", lambda *_: (lambda: torch.autocast("cpu", half), loss_scale))
    what = task(tmp_path / "half", steps=150)
    trained = _drive(what)
    assert trained.steps == 150
    assert _error(what, trained.weights) < 1.1 * _error(what, whole.weights)


def test_an_owner_may_have_bends_kept_by_weight(tmp_path: Path) -> None:
    for keep, sort in (("auto", None), ("uniform", None), ("rare", bend)):
        trainer = InProcessTrainer(training(Train.model_validate({"keep": keep})))
        trainer.start(task(tmp_path / keep))
        assert trainer._job is not None
        assert trainer._job.recorder.samples.trip.sort is sort
        assert trainer._job.recorder.samples.held.sort is None  # the figure is of the drive as it was
        trainer.close()
