"""`milepost camera`: what whoever mounts a camera is shown."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.ports import LabelledFrame
from agent.sense.aim import LEAST
from agent.vehicle.camera_aim import FILE, CameraAim
from tests.cli.test_host_verbs import milepost

ROAD = "road:?seconds=20&fps=10&seed=3"


def environment(tmp_path: Path, source: str = ROAD) -> dict[str, str]:
    return {"MILEPOST_CAMERA__SOURCE": source, "MILEPOST_AGENT__STATE_DIR": str(tmp_path)}


@pytest.mark.slow
def test_a_still_and_words(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    told = milepost("camera", "--still", str(still), env=environment(tmp_path))
    assert told.returncode == 0, told.stderr + told.stdout
    subjects = [line.split()[1] for line in told.stdout.splitlines() if line[0] in "✓✗"]
    assert subjects == ["picture", "sharpness", "exposure", "lens", "horizon", "aim", "latency", "sample"]
    assert "200 x 100 pixels, 10 frames a second" in told.stdout
    assert "The network sees 200 x 66 pixels" in told.stdout
    assert "\x1b" not in told.stdout  # no picture where nobody looks
    assert cv2.imread(str(still)).shape == (480 + 264 + 16, 960, 3)


@pytest.mark.slow
def test_the_same_as_facts(tmp_path: Path) -> None:
    told = milepost("camera", "--json", env=environment(tmp_path))
    facts = json.loads(told.stdout)
    assert facts["view"]["fps"] == 10
    assert facts["sample"] == {"width": 200, "height": 66, "crop_top": 0.3}
    assert facts["words"]["sharpness"]["good"] is True
    assert facts["still"] is None


@pytest.mark.slow
def test_a_terminal_shows_the_picture(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "camera"]
    shown = subprocess.Popen(command, stdout=theirs, env={**os.environ, **environment(tmp_path)})
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert shown.wait() == 0
    assert "▀".encode() in said


@pytest.mark.slow
def test_a_lens_with_its_cap_on_is_told(tmp_path: Path) -> None:
    (tmp_path / "grey").mkdir()
    for number in range(20):
        cv2.imwrite(str(tmp_path / "grey" / f"{number:02}.png"), np.full((90, 160, 3), 90, np.uint8))
    told = milepost("camera", env=environment(tmp_path, f"folder:{tmp_path}/grey?fps=10"))
    assert told.returncode == 1
    assert "✗ lens      The picture is mostly of one colour" in told.stdout


@pytest.mark.slow
def test_a_camera_that_is_away_is_69(tmp_path: Path) -> None:
    told = milepost("camera", env=environment(tmp_path, "v4l2:/dev/video-none"))
    assert told.returncode == 69
    assert told.stderr.startswith("milepost: The camera shows nothing: The camera /dev/video-none is not there")


def aimed(tmp_path: Path) -> CameraAim:
    """By two minutes of a drive that saw another road than ROAD's."""
    aim = CameraAim(tmp_path, ROAD)
    luck = np.random.default_rng(1)
    for number in range(LEAST):
        aim.see(LabelledFrame(2.0 * number, luck.integers(0, 255, (72, 128, 3), np.uint8), 1.0))
    aim.keep()
    return aim


@pytest.mark.slow
def test_to_accept_is_to_learn_the_aim_anew(tmp_path: Path) -> None:
    aim = aimed(tmp_path)
    assert milepost("camera", "--accept", env=environment(tmp_path)).returncode == 0
    assert not (tmp_path / FILE).exists()
    aim.keep()
    assert aim.reference.pictures == 0
    assert milepost("camera", "--accept", env=environment(tmp_path)).returncode == 0


@pytest.mark.slow
def test_doctor_says_when_the_view_has_moved(tmp_path: Path) -> None:
    def check() -> dict[str, str]:
        told = milepost("doctor", "--json", env=environment(tmp_path))
        return next(one for one in json.loads(told.stdout)["checks"] if one["name"] == "aim")

    assert check()["state"] == "skipped"
    aim = aimed(tmp_path)
    assert check()["state"] == "good"
    aim.begin()
    luck = np.random.default_rng(1)
    for number in range(LEAST):
        lower = np.roll(luck.integers(0, 255, (72, 128, 3), np.uint8), 0, axis=0)
        lower[:36] = 200
        aim.see(LabelledFrame(1000 + 2.0 * number, lower, 1.0))
    aim.keep()
    found = check()
    assert found["state"] == "wrong"
    assert "Is something in front of the lens" in found["sentence"]
