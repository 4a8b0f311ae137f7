"""MNIST as a round: the network and the samples of the DeepChain paper."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Input, Round, Task
from agent.learn.testset import TestSet
from tools.bench.plain_round import plain_round

DIGITS = tuple("0123456789")


def read(folder: Path, part: str) -> TestSet:
    """`part` is train (60,000) or t10k (10,000); images (n, 1, 28, 28). The idx format: four bytes of magic, then the
    sizes as 32-bit big-endian integers."""
    images = _bytes(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = _bytes(folder / f"{part}-labels-idx1-ubyte.gz", 8).astype(np.float32)
    return TestSet(images, labels)


def a_round(steps: int, learning_rate: float) -> Round:
    """The DeepChain network, batch 64."""
    return plain_round(
        steps=steps,
        learning_rate=f"{learning_rate:.6f}",
        network="deepchain",
        task=Task(kind="classification", classes=DIGITS, labels="folder"),
        sample=Input(height=28, width=28, colour="grey"),
    )


def _bytes(path: Path, skip: int) -> NDArray[np.uint8]:
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[skip:], np.uint8)
