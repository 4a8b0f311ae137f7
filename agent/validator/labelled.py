"""A test set out of pictures that somebody has labelled, in the form of an owner's folder (`sense.album`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent.core.round import Input, Task
from agent.learn import kinds
from agent.learn.samples import planes, prepare
from agent.learn.testset import TestSet
from agent.sense.album import UnusableAlbum, pictures
from agent.validator.recording import spread


def test_set(folder: Path, task: Task, spec: Input, count: int) -> TestSet:
    """At most `count` of its pictures, evenly spread over classes or table; those that cannot be read are left out.
    Raises UnusableAlbum."""
    import cv2

    every, kind = pictures(folder, task), kinds.of(task, spec.sample)
    images, labels = [], []
    for place in spread(np.arange(len(every)), count):
        image = cv2.imread(str(every[place].path), cv2.IMREAD_COLOR)
        if image is None:
            continue
        height, width = image.shape[:2]
        label = kind.written(every[place].shown(width, height), float(spec.crop_top))
        if label is not None:
            images.append(prepare(np.asarray(image, np.uint8), spec))
            labels.append(label)
    if not images:
        raise UnusableAlbum(what=str(folder), why="none of its pictures can be read")
    return TestSet(np.ascontiguousarray(planes(np.stack(images))), np.stack(labels))
