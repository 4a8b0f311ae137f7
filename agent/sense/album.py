"""Labels from a folder: an album of pictures on this machine that somebody has labelled.

Classification: one sub-folder for each of the round's classes. Steering: `steering.csv` beside the pictures, with the
columns `image` (path within the folder) and `steering_deg`.
"""

from __future__ import annotations

import csv
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.core.documents import Task
from agent.errors import Refused
from agent.ports import LabelledFrame
from agent.sense.capture import Counts

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})
STEERING = "steering.csv"
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
    label: float
    """Degrees, or the index of a class."""


def pictures(folder: Path | None, task: Task) -> list[Picture]:
    """What the folder holds for a round, without opening a picture. Raises UnusableAlbum: pictures of no class of the
    round would teach nothing or, worse, something wrong."""
    if folder is None:
        raise UnusableAlbum(what="", why="train.labelled names none")
    if not folder.is_dir():
        raise UnusableAlbum(what=str(folder), why="there is no such folder")
    found = _steering(folder, WIDEST * float(task.scale)) if task.kind == "steering" else _classes(folder, task.classes)
    if not found:
        raise UnusableAlbum(what=str(folder), why="it holds no labelled picture")
    return found


def _classes(folder: Path, classes: tuple[str, ...]) -> list[Picture]:
    found = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if path.name not in classes:
            why = f"the sub-folder {path.name} is none of the round's classes, {', '.join(classes)[:200]}"
            raise UnusableAlbum(what=str(folder), why=why)
        label = float(classes.index(path.name))
        found += [Picture(image, label) for image in sorted(path.iterdir()) if image.suffix.lower() in IMAGES]
    return found


def _steering(folder: Path, widest_deg: float) -> list[Picture]:
    from agent.sense.drive import separator

    found = []
    try:
        with (folder / STEERING).open(newline="", encoding="utf-8-sig") as table:
            for row in csv.DictReader(table, delimiter=separator(table)):
                path, degrees = (folder / row["image"]).resolve(), float(row["steering_deg"])
                if not path.is_relative_to(folder.resolve()) or not abs(degrees) <= widest_deg:
                    why = f"is outside the folder, or its {degrees:g} degrees are more than the task's {widest_deg:g}"
                    raise ValueError(f"{row['image']} {why}")
                found.append(Picture(path, degrees))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UnusableAlbum(what=str(folder), why=f"{STEERING} cannot be read ({error})") from None
    return found


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
            self._sink(LabelledFrame(number * STEP_S, np.asarray(image, np.uint8), picture.label))
