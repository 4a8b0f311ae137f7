"""Checkpoints: one file, there whole or as it was, read with suspicion."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from agent.errors import Malformed
from agent.learn import checkpoint
from agent.learn.checkpoint import TrainingState

WEIGHTS = {"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
MOMENTS = {"first/layer.weight": np.ones((2, 3), np.float32)}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    state = TrainingState(steps=12, samples=345, loss=0.25, ring="abc", seen=400)
    checkpoint.save(tmp_path, state, WEIGHTS, MOMENTS)
    back = checkpoint.load(tmp_path)
    assert back is not None
    assert back.state == state
    assert np.array_equal(back.weights["layer.weight"], WEIGHTS["layer.weight"])
    assert np.array_equal(back.moments["first/layer.weight"], MOMENTS["first/layer.weight"])


def test_a_trip_that_an_older_version_began_goes_on(tmp_path: Path) -> None:
    """It still kept fingerprints of frames."""
    from safetensors.numpy import save

    said = json.dumps({**asdict(TrainingState(steps=12)), "fingerprint": ["a", "b"]})
    (tmp_path / checkpoint.NAME).write_bytes(save({f"{checkpoint.WEIGHT}w": WEIGHTS["layer.weight"]}, {"state": said}))
    back = checkpoint.load(tmp_path)
    assert back is not None and back.state == TrainingState(steps=12)


def test_before_the_first_one_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path) is None


def test_a_write_that_was_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, TrainingState(steps=1), WEIGHTS, MOMENTS)
    (tmp_path / "checkpoint.safetensors.part").write_bytes(b"half a che")
    back = checkpoint.load(tmp_path)
    assert back is not None and back.state.steps == 1
    checkpoint.save(tmp_path, TrainingState(steps=2), WEIGHTS, MOMENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("cut", [0, 7, 60, -1])
def test_a_checkpoint_that_lost_bytes_is_malformed(tmp_path: Path, cut: int) -> None:
    checkpoint.save(tmp_path, TrainingState(), WEIGHTS, MOMENTS)
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Malformed):
        checkpoint.load(tmp_path)


def test_weights_alone_are_no_checkpoint(tmp_path: Path) -> None:
    checkpoint.write_weights(tmp_path / checkpoint.NAME, WEIGHTS)
    with pytest.raises(Malformed, match="no state of a trainer"):
        checkpoint.load(tmp_path)


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    checkpoint.write_weights(tmp_path / "w", {"a": np.array([np.nan], np.float32)})
    with pytest.raises(Malformed, match="not finite"):
        checkpoint.read_weights(tmp_path / "w")


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 100)
    with pytest.raises(Malformed, match="100 bytes, at most 99 are read"):
        checkpoint.read_bytes(path, 99)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="No such file"):
        checkpoint.read_weights(tmp_path / "none.safetensors")
