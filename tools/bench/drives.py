"""Recorded drives as samples: `video.mp4`, row i of `telemetry.csv` is frame i."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import click
import numpy as np

from agent.core.round import Input
from agent.learn.samples import planes, prepare
from agent.learn.testset import TestSet

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
"""An option's type."""
TEST_SHARE = 0.2
GUARD = 20
"""Frames left out between what is trained on and what is tested on: neighbours are nearly the same picture."""


def read(folder: Path, spec: Input) -> TestSet:
    """Every labelled frame of a drive, prepared as the car prepares it."""
    import cv2

    with (folder / "telemetry.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = "steering_smooth_deg" if "steering_smooth_deg" in rows[0] else "steering_deg"
    video = cv2.VideoCapture(str(folder / "video.mp4"))
    images, labels = [], []
    for row in rows:
        there, frame = video.read()
        if there and row[column]:
            images.append(prepare(np.asarray(frame, np.uint8), spec))
            labels.append(float(row[column]))
    video.release()
    return TestSet(planes(np.stack(images)), np.array(labels, np.float32))


def split(drives: Sequence[TestSet], vehicles: int) -> tuple[list[TestSet], TestSet]:
    """One contiguous stretch for each vehicle, and the last fifth of every drive, which none sees."""
    ends = [int(len(drive) * (1 - TEST_SHARE)) for drive in drives]
    seen = _joined([part(drive, 0, end - GUARD) for drive, end in zip(drives, ends, strict=True)])
    unseen = _joined([part(drive, end, len(drive)) for drive, end in zip(drives, ends, strict=True)])
    edges = [len(seen) * i // vehicles for i in range(vehicles + 1)]
    return [part(seen, a, b) for a, b in pairwise(edges)], unseen


def part(drive: TestSet, start: int, end: int) -> TestSet:
    return TestSet(drive.images[start:end], drive.labels[start:end])


def _joined(parts: Sequence[TestSet]) -> TestSet:
    return TestSet(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))
