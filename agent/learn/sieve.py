"""Which frames are worth learning from: labelled, of the round's classes, and of a camera that lives."""

from __future__ import annotations

import math

import numpy as np

from agent.core.documents import Round
from agent.learn.samples import Image, prepare
from agent.ports import LabelledFrame

FROZEN = 40
"""Identical pictures in a row, two seconds' worth, before it is called a frozen camera."""


class Sieve:
    """Prepares what passes and counts what does not. For the capture thread alone; others may read the
    counts."""

    def __init__(self, round: Round) -> None:
        self.spec = round.input
        self.classes = len(round.task.classes) if round.task.kind == "classification" else None
        self.unlabelled = 0
        self.foreign = 0
        self.same = 0
        self.last: Image | None = None

    def sample(self, frame: LabelledFrame) -> Image | None:
        """The prepared sample, or None when there is nothing to learn from this frame."""
        if frame.label is None or not math.isfinite(frame.label):
            self.unlabelled += 1
            return None
        if self.classes is not None and not (frame.label == int(frame.label) and 0 <= frame.label < self.classes):
            self.foreign += 1
            return None
        image = prepare(frame.image, self.spec)
        if self.last is not None and np.array_equal(image, self.last):
            self.same += 1
            return None
        self.same, self.last = 0, image
        return image

    @property
    def trouble(self) -> str | None:
        """A sentence while something is wrong with what comes in, else None."""
        if self.foreign:
            return (
                f"{self.foreign} labels are none of the round's {self.classes} classes: they are skipped. "
                "Check that the teacher and the round name the same classes."
            )
        if self.same >= FROZEN:
            return f"The last {self.same} frames show the same image: they are skipped. Check the camera."
        return None
