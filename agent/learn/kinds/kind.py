"""What a kind of task is to everything that learns and measures.

Labels are arrays, (n, *label_shape) float32; outputs are (n, outputs) as the network gives them. Nothing here needs
torch: the same loss for training is in `learn.objective`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.learn.settings import Keep
from agent.ports import Label

Numbers = NDArray[np.float64]
Labels = NDArray[np.float32]
Shape = tuple[int, ...]
Sort = Callable[[Labels | float], int]
"""What a label is one of: rare sorts are kept rather than common ones."""
Stated = tuple[Literal["rmse", "accuracy", "map50"], Literal["deg", "share"], Literal["lower", "higher"]]
"""What a figure is called, its unit, and which way is better."""


class Kind(Protocol):
    """One task of its kind, on samples of one size."""

    states: ClassVar[Stated]
    """The figure's name."""
    label_shape: ClassVar[Shape]
    """Of one sample's label; () for a single number."""
    is_road: ClassVar[bool]
    """Whether its pictures can only be of roads. One for a classification may well be a drawing on white."""
    mirrors: ClassVar[bool]
    """Whether a picture turned left to right means the label with its sign turned."""
    takes_logits: ClassVar[bool]
    """Whether the loss makes shares of outputs by itself."""
    has_boxes: ClassVar[bool]
    """Whether a label is where things are, for which there are networks of their own."""
    can_be_pulled: ClassVar[bool]
    """Whether a mark in a picture could pull it to one label, so that validators look for such."""
    fewest_classes: ClassVar[int]
    outputs: int
    """How many numbers the network gives for one sample."""
    teacher_outputs: int
    """How many a teacher gives."""

    def sort(self, keep: Keep) -> Sort | None:
        """By what a trip's samples are weighed; None: they are kept alike. `auto` weighs classes alone (decision
        059)."""

    def written(self, label: Label, crop_top: float) -> Labels | None:
        """A frame's label as that of its sample; None where it is none of the task's. `crop_top`: the share of the
        frame's height that the sample lacks."""

    def check(self, labels: Labels) -> None:
        """Raises Malformed where a test set's labels are none of the task's."""

    def targets(self, labels: Labels) -> Labels:
        """What the loss compares outputs with, (n, …) float32."""

    def losses(self, outputs: Numbers, targets: Numbers) -> Numbers:
        """(n,) loss of each sample; what is no number comes out as none."""

    def rows(self, outputs: Numbers, labels: Numbers) -> Numbers:
        """What samples add to the figure, (rows, columns): rows of several lots, one after the other, are rows."""

    def figure(self, rows: Numbers) -> float:
        """The figure of all samples that these rows are from."""

    def sure(self, outputs: Numbers, confidence: float, crop_top: float) -> Sequence[Label | None]:
        """What a teacher's outputs say of each frame; None where it is not sure enough."""


def sigmoid(logits: Numbers) -> Numbers:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
