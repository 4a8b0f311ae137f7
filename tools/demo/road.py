"""The drive of the demo, cut up: a stretch for each vehicle and trip, and frames that no vehicle sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent.core.round import Input
from agent.errors import USAGE, MilepostError
from agent.learn.testset import TestSet
from agent.sense.drive import Drive, load_drive
from agent.validator.recording import rows, spread, test_set

UNSEEN = 0.25
"""Share at the drive's end that no vehicle sees: test sets and the picture."""
INITIATOR_S = 15.0
"""The drive's first seconds, on which round 0 is made."""
GAP_S = 1.0
"""Left out between what is seen and what is not: neighbouring frames are nearly the same picture."""
GLOBAL, PRIVATE = 240, 120
"""Samples in the global test set, and in each validator's own."""


SPARE_S = 3.0
"""Of a trip, beyond what its job takes: the trip opens a little late, and frames wait for their labels."""
LEAST = 0.35
"""Share of all those seconds, frames and metres that a short drive is played with, at least. With fewer frames nothing
is learnt that three validators could agree on."""


class TooShort(MilepostError):
    """The recording {name} is {seconds:.0f} s long, and {trips} of each vehicle {need} {needed} s of
    it. Take a longer one{fewer}."""

    exit_code = USAGE

    def __init__(self, name: str, seconds: float, trips: int, needed: float) -> None:
        several = trips > 1
        super().__init__(
            name=name,
            seconds=seconds,
            trips=f"{trips} trips" if several else "1 trip",
            need="need" if several else "needs",
            needed=math.ceil(needed),
            fewer=", or fewer trips with --rounds" if several else "",
        )


@dataclass(frozen=True)
class Stretch:
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Course:
    """A drive folder as the demo uses it."""

    folder: Path
    drive: Drive
    steering: str
    """The column to learn from."""
    scale: float = 1.0
    """What a short drive is played with: this share of the initiator's seconds, and of each trip's needs."""

    @classmethod
    def of(cls, folder: Path) -> Course:
        with (folder / "telemetry.csv").open() as table:
            columns = table.readline().strip().split(",")
        steering = next(name for name in ("steering_smooth_deg", "steering_deg") if name in columns)
        return cls(folder, load_drive(folder, steering), steering)

    @property
    def initiator_s(self) -> float:
        return INITIATOR_S * self.scale

    @property
    def seen_s(self) -> float:
        return self.drive.seconds * (1 - UNSEEN)

    def stretches(self, shares: Sequence[float], trips: int) -> list[list[Stretch]]:
        """One list a vehicle, long in proportion to its share: contiguous, so that the vehicles differ; one stretch a
        trip."""
        second = (self.seen_s - GAP_S - self.initiator_s) / sum(shares)
        ends = self.initiator_s + second * np.cumsum([0.0, *shares])
        cuts = [np.linspace(start, end, trips + 1) for start, end in pairwise(ends)]
        return [[Stretch(float(a), float(b)) for a, b in pairwise(cut)] for cut in cuts]

    def fitted(self, wanted: Sequence[tuple[float, int]], trips: int, to_open_s: float) -> Course:
        """The course with its scale, so that each trip is long enough to be opened after `to_open_s` and to see its
        frames then. `wanted`: each vehicle's share of the drive, and the frames it needs. Raises TooShort."""
        frame_s, whole = self.drive.seconds / len(self.drive.t), sum(share for share, _ in wanted)
        trips_s = max((to_open_s + frames * frame_s + SPARE_S) * trips * whole / share for share, frames in wanted)
        needed = (INITIATOR_S + GAP_S + trips_s) / (1 - UNSEEN)
        if self.drive.seconds < needed * LEAST:
            raise TooShort(self.drive.name, self.drive.seconds, trips, needed * LEAST)
        return replace(self, scale=min(1.0, self.drive.seconds / needed))

    def initiators_own(self, spec: Input) -> TestSet:
        """The drive's first seconds: what the initiator had before anybody helped."""
        return test_set(self.drive, rows(self.drive, 0, self.initiator_s), spec)

    def test_sets(self, spec: Input, validators: int) -> tuple[TestSet, list[TestSet]]:
        """The global set and one private set a validator, all from the unseen part and none sharing a frame."""
        chosen = spread(rows(self.drive, self.seen_s + GAP_S, np.inf), GLOBAL + validators * PRIVATE)
        lots = np.arange(len(chosen)) % (2 + validators)
        own = [chosen[lots == 2 + v] for v in range(validators)]
        return test_set(self.drive, chosen[lots < 2], spec), [test_set(self.drive, part, spec) for part in own]

    def unseen(self, spec: Input, seconds: float) -> TestSet:
        """Consecutive frames of the unseen part, for the picture."""
        beyond = self.seen_s + GAP_S
        return test_set(self.drive, rows(self.drive, beyond, beyond + seconds), spec)
