"""What every camera keeps to, whether it is there or not (agent.ports.Camera)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from agent.ports import Camera
from agent.sense.road import write_drive
from agent.sense.sources import open_camera

OPEN = {
    "road": lambda folder: "road:?seconds=2&speed=5",
    "replay": lambda folder: f"replay:{folder}?speed=5",
    "file": lambda folder: f"file:{folder}/video.mp4?fps=50",
    "absent": lambda folder: "v4l2:/dev/video-none",
    "unreachable": lambda folder: "http://127.0.0.1:1/front",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drive")
    write_drive(folder, seconds=2, fps=20, seed=1)
    return folder


@pytest.fixture(params=OPEN)
def camera(request, folder) -> Iterator[Camera]:
    camera = open_camera(OPEN[request.param](folder))
    yield camera
    camera.close()


@pytest.mark.slow
def test_frames_are_bgr_bytes_in_order_of_capture(camera):
    frames = []
    for _ in range(8):
        frame = camera.read(0.1)
        frames += [frame] if frame else []
    assert [frame.t for frame in frames] == sorted({frame.t for frame in frames})
    assert all(frame.image.dtype == np.uint8 and frame.image.shape == (100, 200, 3) for frame in frames)
    assert frames or camera.trouble


def test_trouble_is_a_sentence_or_nothing(camera):
    camera.read(0.2)
    assert camera.trouble is None or (camera.trouble[0].isupper() and camera.trouble[-1] in ".?")


def test_closing_is_idempotent_and_reading_afterwards_gives_nothing(camera):
    camera.close()
    camera.close()
    assert camera.read(0.01) is None
