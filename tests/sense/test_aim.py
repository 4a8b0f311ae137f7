"""A camera that was moved, turned or covered since it was aimed is found out by what its pictures have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import Malformed
from agent.sense.aim import LEAST, SIZE, Aim, Change, change
from agent.sense.drive import Drive, load_drive
from agent.sense.road import synthetic_drive

SHARED = Path(__file__).parents[3] / "shared" / "data"
DRIVES = ("drive_a", "drive_sim", "road")
Image = np.ndarray
Mend = Callable[[Image], Image]


def moved(aside: float, down: float) -> Mend:
    """Shares of width and height."""

    def mend(image: Image) -> Image:
        height, width = image.shape[:2]
        shift = np.float32([[1, 0, aside * width], [0, 1, down * height]])
        return cv2.warpAffine(image, shift, (width, height), borderMode=cv2.BORDER_REFLECT)

    return mend


def turned(degrees: float) -> Mend:
    """Clockwise."""

    def mend(image: Image) -> Image:
        height, width = image.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
        return cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT)

    return mend


def covered(image: Image) -> Image:
    """A sticker on the lower left."""
    image = image.copy()
    image[image.shape[0] // 2 :, : image.shape[1] * 2 // 5] = 90
    return image


def blurred(image: Image) -> Image:
    return cv2.GaussianBlur(image, (0, 0), image.shape[1] / 40)


@cache
def pictures(name: str) -> tuple[list[Image], list[Image]]:
    """Of the first and the second half of a drive, two seconds apart. The simulated one drives back in its second."""
    if name == "road":
        drive: Drive = synthetic_drive(250, 2, 3)
    elif (SHARED / name).exists():
        drive = load_drive(SHARED / name)
    else:
        pytest.skip("the shared recordings are not here")
    assert drive.images is not None
    film, due, found = drive.images.film(0), 0.0, list[Image]()
    for t in drive.t:
        if t < due:
            film.skip()
        elif (image := film.read()) is not None:
            found.append(image)
            due += 2.0
    film.close()
    return found[: len(found) // 2], found[len(found) // 2 :]


def aim(images: list[Image], mend: Mend = lambda image: image) -> Aim:
    made = Aim.none()
    for image in images:
        made = made.seen(mend(image))
    return made


def since(name: str, mend: Mend = lambda image: image) -> Change:
    before, after = pictures(name)
    return change(aim(before), aim(after, mend))


@pytest.mark.slow
@pytest.mark.parametrize("name", DRIVES)
def test_a_camera_that_stayed_as_it_was_is_left_alone(name: str) -> None:
    found = since(name)
    assert found.sentence is None
    assert found.agreement > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize(("down", "word"), [(0.06, "lower"), (-0.08, "higher")])
def test_a_camera_that_nods_is_told_by_how_much(name: str, down: float, word: str) -> None:
    found = since(name, moved(0, down))
    assert found.down == pytest.approx(down, abs=0.03)
    assert found.sentence is not None
    assert f"of the height {word}" in found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("degrees", [8, -8])
def test_a_camera_that_was_turned_in_its_mount_is_told(name: str, degrees: int) -> None:
    found = since(name, turned(degrees))
    assert found.sentence is not None
    assert ("anticlockwise" if degrees < 0 else "degrees clockwise") in found.sentence
    assert found.turned_deg == pytest.approx(degrees, abs=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize(("aside", "word"), [(0.2, "right"), (-0.2, "left")])
def test_a_camera_that_looks_to_the_side_is_told(name: str, aside: float, word: str) -> None:
    found = since(name, moved(aside, 0))
    assert found.sentence is not None
    assert f"of the width further {word}" in found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", DRIVES)
def test_a_lens_that_is_partly_covered_is_told(name: str) -> None:
    found = since(name, covered)
    assert found.sentence is not None
    assert "Is something in front of the lens" in found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drive_sim", "road"])
def test_a_lens_that_is_dirty_or_out_of_focus_is_told(name: str) -> None:
    found = since(name, blurred)
    assert found.sentence is not None
    assert "out of focus" in found.sentence


@pytest.mark.slow
def test_another_camera_is_another_view() -> None:
    found = change(aim(pictures("road")[0]), aim(pictures("drive_sim")[1]))
    assert found.sentence is not None


def test_an_aim_is_what_it_was_after_it_is_read_again() -> None:
    made = aim([np.random.default_rng(seed).integers(0, 255, (72, 128, 3), np.uint8) for seed in range(LEAST)])
    again = Aim.parse(made.to_bytes())
    assert again.is_sure
    assert again.pictures == LEAST
    assert np.allclose(again.edges, made.edges, atol=0.1)


@pytest.mark.parametrize("data", [b"", b"\0" * (SIZE - 1), b"\0" * (SIZE + 1), b"\xff" * SIZE])
def test_what_was_not_kept_here_is_no_aim(data: bytes) -> None:
    with pytest.raises(Malformed):
        Aim.parse(data)
