"""What the pictures are like, in words that whoever mounts the camera can act on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agent.sense.road import synthetic_drive
from agent.sense.still import WIDTH, blocks, png, still
from agent.sense.view import ViewReport, grey, sentences, view
from tests.sense.films import pictures


@pytest.fixture(scope="module")
def road() -> list[np.ndarray]:
    return [cv2.resize(image, (640, 320)) for image in pictures(synthetic_drive(6, 10, 3))]


def seen(images: list[np.ndarray], times: list[float] | None = None) -> ViewReport:
    height, width = images[0].shape[:2]
    return view(times or [n / 10 for n in range(len(images))], np.stack([grey(i) for i in images]), (width, height))


def test_a_good_camera_is_told_to_be_good(road: list[np.ndarray]) -> None:
    said = sentences(seen(road))
    assert all(good for good, _ in said.values()), said
    assert said["picture"][1] == "640 x 320 pixels, 10 frames a second, ± 0 ms."
    assert said["lens"][1] == "Nothing stands in front of it."


def test_a_lens_out_of_focus_is_told(road: list[np.ndarray]) -> None:
    good, said = sentences(seen([cv2.GaussianBlur(image, (0, 0), 10) for image in road]))["sharpness"]
    assert not good
    assert said.startswith("Blurred")


@pytest.mark.parametrize(("factor", "word"), [(0.2, "Too dark"), (4.0, "Too bright")])
def test_a_wrong_exposure_is_told(road: list[np.ndarray], factor: float, word: str) -> None:
    good, said = sentences(seen([np.clip(image * factor, 0, 255).astype(np.uint8) for image in road]))["exposure"]
    assert not good
    assert said.startswith(word)


def test_what_stands_before_the_lens_is_told_with_its_place(road: list[np.ndarray]) -> None:
    images = [image.copy() for image in road]
    for image in images:
        image[160:, :240] = (40, 60, 80)
    good, said = sentences(seen(images))["lens"]
    assert not good
    assert "bottom left" in said
    assert "bottom right" not in said


def test_a_car_that_stands_says_that_a_cover_cannot_be_told(road: list[np.ndarray]) -> None:
    assert sentences(seen([road[0]] * 20))["lens"][1].startswith("Nothing moves")


def test_frames_that_stop_for_a_while_are_told(road: list[np.ndarray]) -> None:
    times = [n / 10 + (0.6 if n > 30 else 0.0) for n in range(len(road))]
    good, said = sentences(seen(road, times))["picture"]
    assert not good
    assert "once 0.70 s without any" in said


def test_one_picture_is_enough_to_look_at(road: list[np.ndarray]) -> None:
    good, said = sentences(seen(road[:1]))["picture"]
    assert not good
    assert "its rate cannot be told" in said


def test_a_still_darkens_what_is_cut_away_and_shows_the_sample(road: list[np.ndarray], tmp_path) -> None:
    sample = cv2.resize(road[0][96:], (200, 66))
    made = still(road[0], sample, 0.3, 0.36, 2.0)
    assert made.shape[1] == WIDTH
    big = cv2.resize(road[0], (WIDTH, 480))
    assert made[10:130].mean() < 0.5 * big[10:130].mean()
    assert np.abs(made[400:470, 10:-10].astype(int) - big[400:470, 10:-10]).mean() < 3
    assert (made[480 + 8 : 480 + 12, 80:880] == sample[0].repeat(4, axis=0)[None]).all()
    png(made, tmp_path / "still.png")
    assert (cv2.imread(str(tmp_path / "still.png")) == made).all()
    assert (tmp_path / "still.png").stat().st_mode & 0o077 == 0


def test_a_sample_as_wide_as_the_still_fits(road: list[np.ndarray]) -> None:
    assert still(road[0], np.zeros((64, 1024, 3), np.uint8), 0.0, None, None).shape[1] == WIDTH


def test_a_terminal_shows_two_rows_of_pixels_a_line(road: list[np.ndarray]) -> None:
    lines = blocks(road[0], 40).split("\n")
    assert len(lines) == 10
    assert all(line.count("▀") == 40 and line.endswith("\x1b[0m") for line in lines)
