"""Which frames are worth learning from: labelled, of the round's classes, and of a camera that lives and sees."""

from __future__ import annotations

import math

import numpy as np

from agent.core.round import Round
from agent.learn import kinds
from agent.learn.samples import Image, Labels, prepare
from agent.ports import LabelledFrame

FROZEN = 40
"""Identical pictures in a row, two seconds' worth, before it is called a frozen camera."""
FLAT = 40
"""Pictures of little but one colour in a row before it is told."""
BLOCKS = 16
"""A picture is looked at in so many blocks from top to bottom."""
EVEN = 1.0
"""Standard deviation, of 255, below which a block is of one colour: a sensor's noise is above it."""
SHADE = 6
"""Colours closer than this are one."""
MOST_OF_ONE, MOST_OF_DARK = 0.4, 0.9
"""Share of a picture that one flat colour may take, and a dark one: roads by day have 0.05 at most, at night the sky is
black. A covered lens, a test picture and half a JPEG have more."""
DARK = 24.0
MOST_FLAT = 0.5
"""Share that flat colours may take together, the dark ones aside: roads have 0.2 at most, a test picture more."""


def one_colour(image: Image) -> bool:
    """Whether a picture, uint8 (height, width, 3), is mostly of one flat colour, or of several."""
    thin = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)].astype(np.float32)
    size = max(2, min(thin.shape[:2]) // BLOCKS)
    rows, columns = thin.shape[0] // size, thin.shape[1] // size
    if rows * columns < BLOCKS:
        return False
    blocks = thin[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    colours = blocks.mean(axis=(1, 3))[blocks.std(axis=(1, 3)).max(axis=-1) < EVEN]
    if not len(colours):
        return False
    if (colours.mean(axis=-1) >= DARK).sum() > MOST_FLAT * rows * columns:
        return True
    shades, counts = np.unique((colours // SHADE).astype(np.int32), axis=0, return_counts=True)
    most = MOST_OF_DARK if shades[counts.argmax()].mean() * SHADE < DARK else MOST_OF_ONE
    return bool(counts.max() > most * rows * columns)


class FrameFilter:
    """Prepares what passes and counts what does not. For the capture thread alone; others may read the
    counts."""

    def __init__(self, round: Round) -> None:
        self.spec = round.input
        self.kind, self.classes = kinds.of(round.task, round.input.sample), len(round.task.classes)
        self.unlabelled = 0
        self.foreign = 0
        self.same = 0
        self.flat = 0
        self.last: Image | None = None

    def sample(self, frame: LabelledFrame) -> Image | None:
        """The prepared sample, or None when there is nothing to learn from this frame."""
        if frame.label is None or (isinstance(frame.label, float) and not math.isfinite(frame.label)):
            self.unlabelled += 1
            return None
        if self.label(frame) is None:
            self.foreign += 1
            return None
        if self.kind.is_road and one_colour(frame.image):
            self.flat += 1
            return None
        self.flat = 0
        image = prepare(frame.image, self.spec)
        if self.last is not None and np.array_equal(image, self.last):
            self.same += 1
            return None
        self.same, self.last = 0, image
        return image

    def label(self, frame: LabelledFrame) -> Labels | None:
        """The frame's label as its sample has it; None where it is none of the task's, or there is none."""
        return None if frame.label is None else self.kind.written(frame.label, float(self.spec.crop_top))

    @property
    def trouble(self) -> str | None:
        """A sentence while something is wrong with what comes in, else None."""
        if self.foreign:
            return (
                f"{self.foreign} labels are none of the round's {self.classes} classes: they are skipped. "
                "Check that the teacher and the round name the same classes."
            )
        if self.flat >= FLAT:
            return (
                f"The last {self.flat} frames are mostly of one colour: they are skipped. "
                "Is something in front of the lens, or does the camera send a test picture?"
            )
        if self.same >= FROZEN:
            return f"The last {self.same} frames show the same image: they are skipped. Check the camera."
        return None
