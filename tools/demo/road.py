"""The drive of the demo, cut up: a stretch for each vehicle and trip, and frames that no vehicle sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent.core.documents import Input
from agent.learn.samples import planes, prepare
from agent.learn.testset import TestSet
from agent.sense.drive import Drive, load_drive

UNSEEN = 0.25
"""Share at the drive's end that no vehicle sees: test sets and the picture."""
INITIATOR_S = 15.0
"""The drive's first seconds, on which round 0 is made."""
GAP_S = 1.0
"""Left out between what is seen and what is not: neighbouring frames are nearly the same picture."""
GLOBAL, PRIVATE = 240, 120
"""Samples in the global test set, and in each validator's own."""


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

    @classmethod
    def of(cls, folder: Path) -> Course:
        with (folder / "telemetry.csv").open() as table:
            columns = table.readline().strip().split(",")
        steering = next(name for name in ("steering_smooth_deg", "steering_deg") if name in columns)
        return cls(folder, load_drive(folder, steering), steering)

    @property
    def seen_s(self) -> float:
        return self.drive.seconds * (1 - UNSEEN)

    def stretches(self, shares: Sequence[float], trips: int) -> list[list[Stretch]]:
        """One list a vehicle, long in proportion to its share: contiguous, so that the vehicles differ; one stretch a
        trip."""
        second = (self.seen_s - GAP_S - INITIATOR_S) / sum(shares)
        ends = INITIATOR_S + second * np.cumsum([0.0, *shares])
        cuts = [np.linspace(start, end, trips + 1) for start, end in pairwise(ends)]
        return [[Stretch(float(a), float(b)) for a, b in pairwise(cut)] for cut in cuts]

    def initiators_own(self, spec: Input) -> TestSet:
        """The drive's first seconds: what the initiator had before anybody helped."""
        return self._set(np.flatnonzero(self.drive.t < self.drive.t[0] + INITIATOR_S), spec)

    def test_sets(self, spec: Input, validators: int) -> tuple[TestSet, list[TestSet]]:
        """The global set and one private set a validator, all from the unseen part and none sharing a frame."""
        first = int(np.searchsorted(self.drive.t, self.drive.t[0] + self.seen_s + GAP_S))
        rows = np.arange(first, len(self.drive.t))
        rows = rows[np.isfinite(self.drive.steering_deg[rows])]
        chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), GLOBAL + validators * PRIVATE)).astype(int)]
        lots = np.arange(len(chosen)) % (2 + validators)
        shared = chosen[lots < 2][:GLOBAL]
        own = [chosen[lots == 2 + v][:PRIVATE] for v in range(validators)]
        return self._set(shared, spec), [self._set(part, spec) for part in own]

    def unseen(self, spec: Input, seconds: float) -> TestSet:
        """Consecutive frames of the unseen part, for the picture."""
        beyond = self.drive.t[0] + self.seen_s + GAP_S
        rows = np.flatnonzero((self.drive.t >= beyond) & (self.drive.t < beyond + seconds))
        return self._set(rows[np.isfinite(self.drive.steering_deg[rows])], spec)

    def _set(self, rows: np.ndarray, spec: Input) -> TestSet:
        images = planes(np.stack(list(self._samples(rows, spec))))
        return TestSet(np.ascontiguousarray(images), self.drive.steering_deg[rows].astype(np.float32))

    def _samples(self, rows: np.ndarray, spec: Input) -> Iterator[np.ndarray]:
        if self.drive.images is None:
            raise FileNotFoundError(f"{self.folder} has no video.mp4")
        wanted, row = set(rows.tolist()), int(rows[0])
        film = self.drive.images.film(row)
        while row <= rows[-1]:
            if row in wanted:
                image = film.read()
                if image is None:
                    raise EOFError(f"the video of {self.folder} ends before its table")
                yield prepare(image, spec)
            else:
                film.skip()
            row += 1
        film.close()
