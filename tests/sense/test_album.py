"""Labels from a folder: one sub-folder a class."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import Refused
from agent.learn import folder


def _picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))


def test_each_picture_has_its_folders_class(tmp_path: Path) -> None:
    for value in range(5):
        _picture(tmp_path / "stop" / f"{value}.png", value)
        _picture(tmp_path / "yield" / f"{value}.png", 100 + value)
    (tmp_path / "stop" / "notes.txt").write_text("not a picture")
    frames = list(folder.frames(tmp_path, ("yield", "stop"), seed=1))
    assert len(frames) == 10
    assert all(frame.label == (1.0 if frame.image[0, 0, 0] < 50 else 0.0) for frame in frames)
    assert [frame.t for frame in frames] == sorted(frame.t for frame in frames)
    again = [frame.label for frame in folder.frames(tmp_path, ("yield", "stop"), seed=1)]
    assert again == [frame.label for frame in frames]


def test_a_broken_picture_is_unlabelled_so_that_it_is_skipped_and_counted(tmp_path: Path) -> None:
    _picture(tmp_path / "stop" / "a.png", 1)
    (tmp_path / "stop" / "b.png").write_bytes(b"no png")
    assert sorted(frame.label is None for frame in folder.frames(tmp_path, ("stop",), seed=1)) == [False, True]


def test_a_folder_that_is_no_class_is_refused_by_name(tmp_path: Path) -> None:
    _picture(tmp_path / "stopp" / "a.png", 1)
    with pytest.raises(Refused, match="the folder stopp"):
        list(folder.frames(tmp_path, ("stop", "yield"), seed=1))
