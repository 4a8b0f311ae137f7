"""A test set from a folder of labelled pictures, for tasks whose labels are no drive's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.initiator.plan import Plan
from agent.learn import kinds
from agent.learn.score import score
from agent.learn.testset import TestSet
from agent.sense.album import UnusableAlbum
from agent.validator.labelled import test_set as made_from
from tests.initiator.test_plan import PLAN
from tools.bench.boxes import as_set, lay
from tools.demo.stage import write_plan
from tools.simulation.shapes import SPEC, TASK, drawings


def test_a_test_set_of_boxes_is_what_the_folder_says(tmp_path: Path) -> None:
    drawn = drawings(12, 1)
    made = made_from(lay(drawn, tmp_path / "pictures"), TASK, SPEC, count=100)
    wanted = as_set(drawn)
    by_picture = {image.tobytes(): label for image, label in zip(wanted.images, wanted.labels, strict=True)}
    assert len(made) == 12
    for image, label in zip(made.images, made.labels, strict=True):
        assert label == pytest.approx(by_picture[image.tobytes()], abs=1e-5)
    score(np.zeros((12, kinds.of(TASK, SPEC.sample).outputs), np.float32), made.labels, kinds.of(TASK, SPEC.sample))


def test_pictures_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    folder = lay(drawings(3, 1), tmp_path / "pictures")
    (folder / "1.png").write_bytes(b"")
    assert len(made_from(folder, TASK, SPEC, count=100)) == 2
    for name in ("0.png", "2.png"):
        (folder / name).unlink()
    with pytest.raises(UnusableAlbum, match="none of its pictures can be read"):
        made_from(folder, TASK, SPEC, count=100)


def test_the_command_takes_a_folder_where_the_plan_does(tmp_path: Path) -> None:
    plan = Plan.model_validate({**PLAN, "task": TASK, "architecture": {"name": "smallfcos"}, "input": SPEC})
    write_plan(tmp_path / "plan.toml", plan)
    folder, out = lay(drawings(5, 1), tmp_path / "pictures"), tmp_path / "set.safetensors"
    words = ["validator", "set", str(folder), "--plan", str(tmp_path / "plan.toml"), "--out", str(out), "--count", "4"]
    asked = CliRunner().invoke(cli, words, standalone_mode=False)
    assert asked.exception is None and "4 samples written" in asked.output
    assert len(TestSet.load(out.read_bytes(), SPEC)) == 4
