"""Labels from a folder: an album of pictures on this machine that somebody has labelled.

Classification: one sub-folder for each of the round's classes. Steering: `steering.csv` beside the pictures, with the
columns `image` (path within the folder) and `steering_deg`. Detection: `boxes.csv`, a row for each box: `image`,
`class`, `left`, `top`, `right` and `bottom` in pixels of that picture; one that shows nothing has a row with no class.
"""

from __future__ import annotations

import csv
import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from agent.core.round import Task
from agent.errors import Refused
from agent.ports import Box, Label, LabelledFrame
from agent.sense.capture import Counts
from agent.sense.sheet import Sheet

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})
STEERING, BOXES = "steering.csv", "boxes.csv"
WIDEST = 4
"""An angle may be so many times the task's scale: what is further out is a mistake in the table, or another unit."""
STEP_S = 0.05
"""Between two pictures' times."""
PACE_S = 0.01
"""Between two pictures shown: soon enough for a short trip, slow enough for training to take every one."""


class UnusableAlbum(Refused):
    """The labelled folder {what} was refused: {why}. No stake is placed on its labels."""


@dataclass(frozen=True, slots=True)
class Picture:
    path: Path
    label: Label
    """Degrees, the index of a class, or boxes whose sides are in pixels."""

    def shown(self, width: int, height: int) -> Label:
        """The label beside the picture: boxes as shares of its size, clipped to it."""
        if not isinstance(self.label, tuple):
            return self.label
        shares = [
            Box(box.index, *(min(max(side / size, 0.0), 1.0) for side, size in _sides(box, width, height)))
            for box in self.label
        ]
        return tuple(box for box in shares if box.area > 0)


def pictures(folder: Path | None, task: Task) -> list[Picture]:
    """What the folder holds for a round, without opening a picture. Raises UnusableAlbum: pictures of no class of the
    round would teach nothing or, worse, something wrong."""
    if folder is None:
        raise UnusableAlbum(what="", why="train.labelled names none")
    if not folder.is_dir():
        raise UnusableAlbum(what=str(folder), why="there is no such folder")
    found = READERS[task.kind](folder, task)
    if not found:
        raise UnusableAlbum(what=str(folder), why="it holds no labelled picture")
    return found


def _classes(folder: Path, task: Task) -> list[Picture]:
    found, classes = [], task.classes
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if path.name not in classes:
            why = f"the sub-folder {path.name} is none of the round's classes, {', '.join(classes)[:200]}"
            raise UnusableAlbum(what=str(folder), why=why)
        label = float(classes.index(path.name))
        found += [Picture(image, label) for image in sorted(path.iterdir()) if image.suffix.lower() in IMAGES]
    return found


def _steering(folder: Path, task: Task) -> list[Picture]:
    found, widest_deg = [], WIDEST * float(task.scale)
    for path, row in _rows(folder, STEERING):
        degrees = _number(folder, STEERING, row, "steering_deg")
        if not abs(degrees) <= widest_deg:
            why = f"the {degrees:g} degrees of {path.name} are more than the task's {widest_deg:g}"
            raise _unreadable(folder, STEERING, why)
        found.append(Picture(path, degrees))
    return found


def _boxes(folder: Path, task: Task) -> list[Picture]:
    found: dict[Path, list[Box]] = {}
    for path, row in _rows(folder, BOXES):
        boxes, name = found.setdefault(path, []), (row.get("class") or "").strip()
        if not name:
            continue
        if name not in task.classes:
            why = f"{name[:80]} is none of the round's classes, {', '.join(task.classes)[:200]}"
            raise _unreadable(folder, BOXES, why)
        box = Box(task.classes.index(name), *(_number(folder, BOXES, row, side) for side in SIDES))
        if box.right <= box.left or box.bottom <= box.top:
            raise _unreadable(folder, BOXES, f"a box of {path.name} has no area")
        boxes.append(box)
    return [Picture(path, tuple(boxes)) for path, boxes in found.items()]


SIDES = ("left", "top", "right", "bottom")
READERS: dict[str, Callable[[Path, Task], list[Picture]]] = {
    "steering": _steering,
    "classification": _classes,
    "detection": _boxes,
}


def _rows(folder: Path, name: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Each row of a folder's table with the picture it is about, which lies in the folder."""
    try:
        for _, row in Sheet(folder / name):
            path = (folder / row["image"]).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise ValueError(f"{row['image']} is outside the folder")
            yield path, row
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise _unreadable(folder, name, str(error)) from None


def _number(folder: Path, name: str, row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except (KeyError, TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise _unreadable(folder, name, f"{column} of {str(row.get('image'))[:80]} is no number")
    return value


def _unreadable(folder: Path, name: str, why: str) -> UnusableAlbum:
    return UnusableAlbum(what=str(folder), why=f"{name} cannot be read ({why})")


def _sides(box: Box, width: int, height: int) -> Iterator[tuple[float, int]]:
    return zip((box.left, box.top, box.right, box.bottom), (width, height) * 2, strict=True)


class Album:
    """Shows every picture once, in an order that follows from `seed`, from `start` to `stop`, as a camera would."""

    def __init__(self, shown: list[Picture], seed: int, sink: Callable[[LabelledFrame], None]) -> None:
        self._pictures, self._sink = random.Random(seed).sample(shown, len(shown)), sink
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="album", daemon=True)
        self.counts = Counts()

    def __repr__(self) -> str:
        return f"<Album {self.counts.frames} of {len(self._pictures)}>"

    @property
    def trouble(self) -> str | None:
        """How many pictures could not be read, in a sentence."""
        unread = self.counts.failures
        return f"{unread} labelled pictures cannot be read: they are skipped." if unread else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        import cv2
        import numpy as np

        for number, picture in enumerate(self._pictures):
            if self._stopping.wait(PACE_S):
                return
            image = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
            if image is None:
                self.counts = replace(self.counts, failures=self.counts.failures + 1)
                continue
            self.counts = replace(self.counts, frames=number + 1, labelled=self.counts.labelled + 1)
            height, width = image.shape[:2]
            label = picture.shown(width, height)
            self._sink(LabelledFrame(number * STEP_S, np.asarray(image, np.uint8), label))
