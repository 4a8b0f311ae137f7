"""The root update: learnt as a vehicle learns, from a folder of samples; where it cannot be learnt, that is said."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from agent.learn import checkpoint, root
from agent.learn.samples import pictures, planes
from agent.learn.testset import TestSet
from agent.learn.weights import Weights, flat
from agent.ports import TrainingTask
from tests.learn.trips import stretch, task


def learnt(one: TrainingTask, own: TestSet) -> Weights:
    return root.train(one.round, one.base, own)


def test_it_points_where_training_on_other_samples_of_the_same_road_does(tmp_path: Path) -> None:
    one = task(tmp_path, steps=40, learning_rate="0.003")
    base = flat(checkpoint.read_weights(one.base / "weights.safetensors"))
    mine, other = (flat(learnt(one, stretch(200, seed))) - base for seed in (1, 2))
    assert float(mine @ other) / float(np.linalg.norm(mine) * np.linalg.norm(other)) > 0.3


def test_the_same_samples_give_the_same_update(tmp_path: Path) -> None:
    one, own = task(tmp_path, steps=5), stretch(40)
    np.testing.assert_array_equal(flat(learnt(one, own)), flat(learnt(one, own)))
    assert not (tmp_path / "job").exists()  # nothing is left on the disk


def test_few_samples_are_not_drawn_more_often_than_a_vehicle_would(tmp_path: Path) -> None:
    """20 samples, twice each, make two steps of 16 and a last one that goes beyond; not a thousand."""
    own = stretch(20)
    few, many = task(tmp_path / "few", passes=2), task(tmp_path / "many", steps=3)
    np.testing.assert_array_equal(flat(learnt(few, own)), flat(learnt(many, own)))


def test_samples_that_do_not_make_a_step_make_no_root_update(tmp_path: Path) -> None:
    with pytest.raises(root.NoRoot, match="no step could be made with 3 samples"):
        learnt(task(tmp_path), stretch(3))


def test_without_torch_there_is_none_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = task(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("agent.learn.loop")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("agent.learn.loop", raising=False)
    with pytest.raises(root.NoRoot, match="torch is not installed"):
        learnt(one, stretch(40))


def test_where_torch_fails_that_is_said_and_publishing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("not on this processor")

    monkeypatch.setattr("torch._fused_adam_", fails)
    with pytest.raises(root.NoRoot, match=r"could not be trained \(not on this processor\)"):
        learnt(task(tmp_path), stretch(40))


def test_pictures_undoes_planes() -> None:
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(planes(pictures(images)), images)
