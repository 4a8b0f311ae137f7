"""Small trips for tests: a network that trains in milliseconds, and a road whose steering can be learnt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from agent.core.round import Input, Task
from agent.learn.testset import TestSet
from agent.ports import LabelledFrame, TrainingTask
from tools.bench.plain_round import bundle, plain_round

DIGITS = Task(kind="classification", classes=tuple("0123456789"))
SMALL = Input(height=28, width=28, colour="grey")


def task(folder: Path, *, seed: int = 7, **recipe: Any) -> TrainingTask:
    """Steering at 28 x 28 with DeepChain's small network, in `folder`."""
    defaults = {"network": "deepchain", "sample": SMALL, "task": Task(kind="steering", scale=Decimal(25))}
    round = plain_round(**{**defaults, "steps": 1000, "batch": 16, **recipe})
    return TrainingTask(folder / "job", bundle(round, folder / "base"), round, seed)


def road(count: int, *, start: int = 0, seed: int = 1) -> Iterator[LabelledFrame]:
    """A bright stripe whose place says the angle, twenty times a second."""
    random = np.random.default_rng(seed)
    for number in range(start, start + count):
        angle = float(random.uniform(-20, 20))
        image = random.integers(0, 40, (28, 28, 3), dtype=np.uint8)
        place = round(14 - angle / 2)
        image[:, max(0, place - 2) : place + 2] = 220
        yield LabelledFrame(number / 20, image, angle)


def stretch(count: int, seed: int = 1) -> TestSet:
    """That road as a test set."""
    frames = list(road(count, seed=seed))
    grey = np.stack([frame.image[None, :, :, 0] for frame in frames])
    return TestSet(grey, np.array([frame.label for frame in frames], np.float32))


def until(true: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait for something that another process does."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)
