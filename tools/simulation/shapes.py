"""A drawn set for detection: discs, triangles and squares of any size and colour on a restless background, with their
boxes. Nobody's data, and the same for the same seed everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.boxes import Box
from agent.core.round import Input, Task

CLASSES = ("disc", "triangle", "square")
SPEC = Input(height=64, width=96, colour="rgb")
TASK = Task(kind="detection", labels="folder", classes=CLASSES)
MOST_IN_ONE = 3
SMALLEST, LARGEST = 10, 34
"""Pixels across."""
LINES = 4
CONTRAST = 60.0
"""Between a shape and what is behind it, at least, in one colour."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Drawing:
    """BGR, (64, 96, 3), and what is on it."""

    image: Pixels
    boxes: tuple[Box, ...]


def drawings(count: int, seed: int) -> list[Drawing]:
    return [_drawing(np.random.default_rng((seed, number))) for number in range(count)]


def _drawing(random: np.random.Generator) -> Drawing:
    image = _background(random)
    boxes: list[Box] = []
    taken = np.zeros(image.shape[:2], bool)
    for _ in range(random.integers(0, MOST_IN_ONE + 1)):
        size = int(random.integers(SMALLEST, LARGEST))
        left = int(random.integers(0, image.shape[1] - size))
        top = int(random.integers(0, image.shape[0] - size))
        if taken[top : top + size, left : left + size].any():
            continue
        taken[top : top + size, left : left + size] = True
        index = int(random.integers(len(CLASSES)))
        behind = image[top : top + size, left : left + size].mean(axis=(0, 1))
        _shape(image, index, left, top, size, _colour(random, behind))
        height, width = image.shape[:2]
        boxes.append(Box(index, left / width, top / height, (left + size) / width, (top + size) / height))
    noise = random.normal(0, 6, image.shape)
    return Drawing(np.clip(image + noise, 0, 255).astype(np.uint8), tuple(boxes))


def _background(random: np.random.Generator) -> Pixels:
    """A slope between two colours, and a few lines."""
    ends = random.uniform(30, 225, (2, 3))
    slope = np.linspace(0, 1, SPEC.height)[:, None, None]
    image = np.broadcast_to(ends[0] * (1 - slope) + ends[1] * slope, (SPEC.height, SPEC.width, 3)).astype(np.uint8)
    image = np.ascontiguousarray(image)
    for _ in range(LINES):
        (x1, x2), (y1, y2) = random.integers(0, SPEC.width, 2), random.integers(0, SPEC.height, 2)
        colour = [int(value) for value in random.integers(0, 255, 3)]
        cv2.line(image, (int(x1), int(y1)), (int(x2), int(y2)), colour, 1)
    return image


def _colour(random: np.random.Generator, behind: NDArray[np.float64]) -> list[int]:
    while True:
        colour = random.integers(0, 255, 3)
        if np.abs(colour - behind).max() >= CONTRAST:
            return [int(value) for value in colour]


def _shape(image: Pixels, index: int, left: int, top: int, size: int, colour: list[int]) -> None:
    right, bottom, middle = left + size - 1, top + size - 1, left + size // 2
    if CLASSES[index] == "disc":
        cv2.circle(image, (middle, top + size // 2), size // 2 - 1, colour, -1)
    elif CLASSES[index] == "triangle":
        corners = np.array([(middle, top), (left, bottom), (right, bottom)], np.int32)
        cv2.fillPoly(image, [corners], colour)
    else:
        cv2.rectangle(image, (left, top), (right, bottom), colour, -1)
