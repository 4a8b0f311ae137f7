"""A test set out of a recorded drive: the frames of some rows with the driver's steering as labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Input
from agent.learn.samples import Image, planes, prepare
from agent.learn.testset import TestSet
from agent.sense.drive import Drive, DriveUnusable

Rows = NDArray[np.int64]


def rows(drive: Drive, start_s: float, end_s: float) -> Rows:
    """The labelled rows of a stretch, seconds from the drive's start."""
    t = drive.t - drive.t[0]
    return np.flatnonzero((t >= start_s) & (t < end_s) & np.isfinite(drive.steering_deg)).astype(np.int64)


def spread(chosen: Rows, count: int) -> Rows:
    """At most `count` of these rows, evenly spread."""
    places = np.linspace(0, len(chosen) - 1, min(len(chosen), count)).astype(np.int64)
    return np.take(chosen, places)


def test_set(drive: Drive, chosen: Rows, spec: Input) -> TestSet:
    """Raises DriveUnusable when there are no such frames."""
    if not len(chosen):
        raise DriveUnusable(folder=drive.name, why="no labelled frame is in the stretch that was asked for")
    images = planes(np.stack(list(_samples(drive, chosen, spec))))
    return TestSet(np.ascontiguousarray(images), drive.steering_deg[chosen].astype(np.float32))


def _samples(drive: Drive, chosen: Rows, spec: Input) -> Iterator[Image]:
    if drive.images is None:
        raise DriveUnusable(folder=drive.name, why="it has no video.mp4")
    wanted, row = set(chosen.tolist()), int(chosen[0])
    film = drive.images.film(row)
    try:
        for at in range(row, int(chosen[-1]) + 1):
            if at not in wanted:
                film.skip()
                continue
            image = film.read()
            if image is None:
                raise DriveUnusable(folder=drive.name, why="the video ends before its table")
            yield prepare(image, spec)
    finally:
        film.close()
