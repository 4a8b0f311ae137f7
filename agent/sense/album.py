"""Labels from a folder: one sub-folder of images for each of the round's classes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import Refused
from agent.ports import LabelledFrame

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})
STEP_S = 0.05


def frames(folder: Path, classes: Sequence[str], seed: int) -> Iterator[LabelledFrame]:
    """Every image once, the classes mixed in an order that follows from `seed`, a twentieth of a second
    apart.

    A picture that cannot be read comes out unlabelled, so that it is skipped and counted. Raises Refused
    for a sub-folder that is none of the classes: its pictures would teach nothing or, worse, something
    wrong.
    """
    import cv2
    import numpy as np

    found = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in found:
        if path.name not in classes:
            raise Refused(what=f"the folder {path.name}", why=f"the round's classes are {', '.join(classes)[:200]}")
    labelled = [
        (image, float(classes.index(path.name)))
        for path in found
        for image in sorted(path.iterdir())
        if image.suffix.lower() in IMAGES
    ]
    random.Random(seed).shuffle(labelled)
    for number, (path, label) in enumerate(labelled):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            yield LabelledFrame(number * STEP_S, np.zeros((1, 1, 3), np.uint8), None)
        else:
            yield LabelledFrame(number * STEP_S, np.asarray(image, np.uint8), label)
