"""The directions of the updates that were judged, as files, to find copies.

A file is there whole or not at all. One that is torn all the same (an old disk, an older version) is dropped: it can be
made again from its contribution as long as that is at hand.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent import files
from agent.core.ids import CidText, StakeId

Flat = NDArray[np.float32]

COPY_COSINE = 0.999
"""Two updates closer than this were not trained on two drives."""


@dataclass(frozen=True, slots=True, order=True)
class EntryPlace:
    """Where an entry stands: the ledger it came in, then its stake's id."""

    ledger: int
    entry: StakeId


@dataclass(frozen=True, slots=True)
class Likeness:
    """Another entry's update, and how close it is."""

    place: EntryPlace
    cosine: float


class Vectors:
    """By the round that updates were trained on. Raises what `files.room_for` says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def likeness(
        self, bases: Iterable[CidText], place: EntryPlace, flat: Flat, later: Collection[StakeId] = ()
    ) -> Likeness | None:
        """The first entry that was judged on one of these bases with the same update, if there is one. `later`: those
        that come after this one on its roll, and may have been looked at before a restart."""
        mine, found = direction(flat), list[Likeness]()
        for other, theirs in chain.from_iterable(map(self._held, bases)):
            if other.entry != place.entry and other.entry not in later and theirs.shape == mine.shape:
                cosine = float(theirs.astype(np.float32) @ mine)
                if cosine > COPY_COSINE:
                    found.append(Likeness(other, cosine))
        return min(found, key=lambda like: like.place, default=None)

    def keep(self, base: CidText, place: EntryPlace, flat: Flat) -> None:
        """Twice is harmless."""
        folder = self._folder / base
        files.make_folder(folder)
        file = io.BytesIO()
        np.save(file, direction(flat).astype(np.float16), allow_pickle=False)
        files.write_whole(folder / f"{place.ledger}-{place.entry}.npy", file.getvalue())

    def holds(self, base: CidText, place: EntryPlace) -> bool:
        return (self._folder / base / f"{place.ledger}-{place.entry}.npy").is_file()

    def _held(self, base: CidText) -> Iterator[tuple[EntryPlace, NDArray[np.float16]]]:
        for path in sorted((self._folder / base).glob("*.npy"), key=lambda p: p.name):
            ledger, _, entry = path.stem.partition("-")
            try:
                loaded = np.load(path, allow_pickle=False)
            except (ValueError, EOFError):
                path.unlink(missing_ok=True)
                continue
            if ledger.isdigit() and loaded.dtype == np.float16 and loaded.ndim == 1:
                yield EntryPlace(int(ledger), StakeId(entry)), loaded


def direction(flat: Flat) -> Flat:
    """The update without its length."""
    found: Flat = flat / np.float32(max(float(np.linalg.norm(flat)), 1e-12))
    return found


def cosine(one: Flat, other: Flat) -> float:
    return float(direction(one) @ direction(other))
