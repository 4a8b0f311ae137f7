"""Labels from a folder: pictures that an owner has labelled, shown as a camera would."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.core.round import Task
from agent.ports import Box, LabelledFrame
from agent.sense import album
from agent.sense.album import Album, UnusableAlbum, pictures

SIGNS = Task(kind="classification", labels="folder", classes=("yield", "stop"))
STEERING = Task(kind="steering", labels="folder")


def _picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))


def _shown(folder: Path, task: Task, seed: int = 1) -> tuple[Album, list[LabelledFrame]]:
    seen: list[LabelledFrame] = []
    one = Album(pictures(folder, task), seed, seen.append)
    one.start()
    one._thread.join(30)
    one.stop()
    return one, seen


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "PACE_S", 0.001)


def test_each_picture_is_shown_once_with_its_folders_class_in_an_order_of_the_seed(tmp_path: Path) -> None:
    for value in range(5):
        _picture(tmp_path / "stop" / f"{value}.png", value)
        _picture(tmp_path / "yield" / f"{value}.png", 100 + value)
    (tmp_path / "stop" / "notes.txt").write_text("not a picture")
    _, frames = _shown(tmp_path, SIGNS)
    assert sorted(int(frame.image[0, 0, 0]) for frame in frames) == [*range(5), *range(100, 105)]
    assert all(frame.label == (1.0 if frame.image[0, 0, 0] < 50 else 0.0) for frame in frames)
    assert [frame.t for frame in frames] == sorted(frame.t for frame in frames)
    assert [frame.label for frame in _shown(tmp_path, SIGNS)[1]] == [frame.label for frame in frames]


def test_steering_comes_from_a_table_beside_the_pictures(tmp_path: Path) -> None:
    for number in range(3):
        _picture(tmp_path / "front" / f"{number}.png", number)
    rows = [f"front/{number}.png,{number - 1.5}" for number in range(3)]
    (tmp_path / "steering.csv").write_text("\n".join(["image,steering_deg", *rows]))
    _, frames = _shown(tmp_path, STEERING)
    assert {int(frame.image[0, 0, 0]): frame.label for frame in frames} == {0: -1.5, 1: -0.5, 2: 0.5}


BOXES = Task(kind="detection", labels="folder", classes=("person", "sign"))


def _table(folder: Path, *rows: str) -> None:
    (folder / "boxes.csv").write_text("\n".join(["image,class,left,top,right,bottom", *rows]))


def test_boxes_come_from_a_table_in_pixels_of_each_picture(tmp_path: Path) -> None:
    for number in range(3):
        _picture(tmp_path / f"{number}.png", number)
    _table(tmp_path, "0.png,sign,2,4,6,8", "1.png,,,,,", "0.png,person,-4,0,4,40", "2.png,sign,90,0,99,8")
    _, frames = _shown(tmp_path, BOXES)
    labels = {int(frame.image[0, 0, 0]): frame.label for frame in frames}
    assert labels == {0: (Box(1, 0.25, 0.5, 0.75, 1.0), Box(0, 0.0, 0.0, 0.5, 1.0)), 1: (), 2: ()}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("0.png,dog,0,0,1,1", "dog is none of the round's classes, person, sign"),
        ("0.png,sign,0,0,x,1", "right of 0.png is no number"),
        ("0.png,sign,0,0,inf,1", "right of 0.png is no number"),
        ("0.png,sign,4,0,4,1", "a box of 0.png has no area"),
        ("../0.png,sign,0,0,1,1", "is outside the folder"),
    ],
)
def test_a_table_of_boxes_with_a_mistake_is_refused_with_it(tmp_path: Path, row: str, why: str) -> None:
    _table(tmp_path, row)
    with pytest.raises(UnusableAlbum, match=r"boxes\.csv cannot be read") as refused:
        pictures(tmp_path, BOXES)
    assert why in str(refused.value)


def test_a_broken_picture_is_skipped_and_said(tmp_path: Path) -> None:
    _picture(tmp_path / "stop" / "a.png", 1)
    (tmp_path / "stop" / "b.png").write_bytes(b"no png")
    one, frames = _shown(tmp_path, SIGNS)
    assert len(frames) == one.counts.labelled == 1
    assert one.trouble == "1 labelled pictures cannot be read: they are skipped."


@pytest.mark.parametrize(
    ("name", "task", "why"),
    [
        ("stopp/a.png", SIGNS, "the sub-folder stopp is none of the round's classes, yield, stop"),
        ("a.png", SIGNS, "no labelled picture"),
        ("stop/a.png", STEERING, "steering.csv cannot be read"),
    ],
)
def test_a_folder_that_does_not_fit_the_round_is_refused_with_a_reason(
    tmp_path: Path, name: str, task: Task, why: str
) -> None:
    _picture(tmp_path / name, 1)
    with pytest.raises(UnusableAlbum, match=why):
        pictures(tmp_path, task)


@pytest.mark.parametrize("row", ["../other.png,3", "a.png,nan", "a.png,left", "a.png", "a.png,99999", "a.png,-101"])
def test_a_table_that_leaves_its_folder_or_names_no_angle_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "steering.csv").write_text(f"image,steering_deg\n{row}\n")
    with pytest.raises(UnusableAlbum, match=r"steering\.csv"):
        pictures(tmp_path, STEERING)


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "steering.csv").write_text("\ufeffimage;steering_deg\na.png;-3.5\n")
    assert [picture.label for picture in pictures(tmp_path, STEERING)] == [-3.5]


def test_without_a_folder_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(UnusableAlbum, match=r"train\.labelled names none"):
        pictures(None, SIGNS)
    with pytest.raises(UnusableAlbum, match="no such folder"):
        pictures(tmp_path / "nowhere", SIGNS)


def test_an_album_ends_when_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "PACE_S", 3600)
    _picture(tmp_path / "stop" / "a.png", 1)
    one = Album(pictures(tmp_path, SIGNS), 1, lambda frame: None)
    one.stop()
    one.start()
    one.stop()
    assert one.counts.frames == 0
