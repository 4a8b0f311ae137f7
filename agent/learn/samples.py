"""From frames to batches: one preparation for car and validator, a bounded reservoir, and blocks held
back.

Images are kept as uint8, (height, width, channels): a quarter of the memory of floats, and a transposed
view of them is already in the channels-last layout that convolutions want.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.core.round import Input, Recipe, Round
from agent.learn import kinds
from agent.learn.checkpoint import TrainingState
from agent.learn.kinds.kind import Shape, Sort

Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.float32]
"""(n, *label_shape) as the kind of task has them (`learn.kinds`), or one sample's."""

BLOCK_S = 2.0
EVERY = 10
FIRST = 3
"""Of every ten blocks of a drive the fourth is held back."""
GUARD_S = 0.25
"""At either end of a block that is held back: frames there are like their neighbours', and are nobody's."""
START = 16
"""Samples before the first step: less than a second of driving."""


def label_shape(round_: Round) -> Shape:
    return kinds.of(round_.task, round_.input.sample).label_shape


def prepare(image: Image, spec: Input) -> Image:
    """A BGR frame, (h, w, 3), as one sample: cropped, resized, in the round's colours. uint8, (height,
    width, channels)."""
    import cv2

    top = int(image.shape[0] * float(spec.crop_top))
    small = cv2.resize(image[top:], (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    if spec.colour == "grey":
        grey: Image = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)[:, :, None]
        return grey
    code = cv2.COLOR_BGR2YUV if spec.colour == "yuv" else cv2.COLOR_BGR2RGB
    coloured: Image = cv2.cvtColor(small, code)
    return coloured


def planes(images: Image) -> Image:
    """(n, height, width, channels) as the network takes it: (n, channels, height, width), without a copy."""
    return images.transpose(0, 3, 1, 2)


def pictures(images: Image) -> Image:
    """`planes` undone."""
    return images.transpose(0, 2, 3, 1)


Use = Literal["train", "held", "skip"]


def use(seconds: float) -> Use:
    """What a frame is for, from its time since the trip's first: every tenth block of two seconds is held
    back.

    Whole blocks, because neighbouring frames are nearly the same picture; the quarter second at a block's
    edges is used for neither side.
    """
    if math.floor(seconds / BLOCK_S) % EVERY != FIRST:
        return "train"
    inside = seconds % BLOCK_S
    return "held" if GUARD_S <= inside < BLOCK_S - GUARD_S else "skip"


@dataclass(slots=True)
class Reservoir:
    """A random choice of everything ever added, in a fixed number of slots. Without a `sort` it is uniform (Vitter
    1985, algorithm R); with one, samples of a sort that was seldom until then weigh as much more (Efraimidis and
    Spirakis 2006, A-Res), so that about as many of each are kept: of a motorway's hour the bends are left too.

    Memory is taken as samples come, never more than `slots` images.
    """

    images: Image
    labels: Labels
    seed: int
    added: int = 0
    sort: Sort | None = None
    keys: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """With a `sort`: ln(u) / weight of each kept sample. The largest stay."""
    seen: Counter[int] = field(default_factory=Counter)

    @classmethod
    def sized(cls, spec: Input, megabytes: float, seed: int, label: Shape = (), sort: Sort | None = None) -> Reservoir:
        each = spec.height * spec.width * spec.channels
        slots = max(64, int(megabytes * 1e6) // each)
        # np.empty of this size is address space; the system gives pages when they are first written.
        images = np.empty((slots, spec.height, spec.width, spec.channels), np.uint8)
        labels, keys = np.empty((slots, *label), np.float32), np.empty(slots if sort else 0)
        return cls(images, labels, seed, sort=sort, keys=keys)

    def __len__(self) -> int:
        return min(self.added, len(self.labels))

    def add(self, image: Image, label: Labels | float) -> None:
        slot = self._slot() if self.sort is None else self._weighed(self.sort(label))
        self.added += 1
        if slot is not None:
            self.images[slot] = image
            self.labels[slot] = label

    def _slot(self) -> int | None:
        """Where the next sample goes; None: nowhere."""
        if self.added < len(self.labels):
            return self.added
        slot = int(np.random.default_rng((self.seed, self.added)).integers(self.added + 1))
        return slot if slot < len(self.labels) else None

    def _weighed(self, sort: int) -> int | None:
        self.seen[sort] += 1
        weight = (self.added + 1) / self.seen[sort]
        key = math.log(1 - np.random.default_rng((self.seed, self.added)).random()) / weight
        slot = self.added if self.added < len(self.labels) else int(self.keys.argmin())
        if self.added >= len(self.labels) and key <= self.keys[slot]:
            return None
        self.keys[slot] = key
        return slot


class Samples:
    """What a trip has shown so far: a reservoir to train on, a smaller one held back, and the past, if it
    is kept."""

    def __init__(
        self,
        spec: Input,
        megabytes: float,
        seed: int,
        replay: Reservoir | None = None,
        label: Shape = (),
        sort: Sort | None = None,
    ) -> None:
        self.seed = seed
        self.trip = Reservoir.sized(spec, megabytes * 0.95, seed, label, sort)
        self.held = Reservoir.sized(
            spec, min(megabytes * 0.05, 256 * spec.height * spec.width * spec.channels / 1e6), seed + 1, label
        )
        self.replay = replay
        self.over = False
        """The trip has ended: nothing more comes."""

    def __repr__(self) -> str:
        return f"<Samples {len(self.trip)} of {self.trip.added}, held back {len(self.held)}>"

    def suffice(self, recipe: Recipe, state: TrainingState) -> bool:
        """Whether one more step makes sense: there are samples, and they were not drawn `passes` times yet. Those that
        a crash has lost were seen all the same."""
        seen = max(state.samples, self.trip.added)
        return len(self.trip) >= START and state.steps * recipe.batch < recipe.passes * seen

    def add(self, image: Image, label: Labels | float, seconds: float) -> Use:
        """Take a sample, `seconds` after the trip's first; says what it is used for."""
        used = use(seconds)
        if used == "train":
            self.trip.add(image, label)
        elif used == "held":
            self.held.add(image, label)
        return used

    def choose(self, step: int, count: int) -> list[tuple[Reservoir, npt.NDArray[np.int64]]]:
        """The batch of this step, as places in reservoirs: it follows from seed, step and what there is. Half of it
        comes from the past where there is one."""
        random = np.random.default_rng((self.seed, step))
        if self.replay is None or not len(self.replay):
            return [(self.trip, random.integers(len(self.trip), size=count))]
        old = count // 2
        shares = ((self.trip, count - old), (self.replay, old))
        return [(source, random.integers(len(source), size=share)) for source, share in shares]
