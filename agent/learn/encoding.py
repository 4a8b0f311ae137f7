"""How an update's numbers become few bytes, by name.

    dense-fp32           every number as it is
    dense-fp16           half precision under one power of two per tensor
    dense-int8           eight bits under one scale per tensor
    topk{p}-int8, -int4  the p per cent of largest magnitude: places as gaps, values in 8 or 4 bits

An encoding sees the update as one row of float32 and the tensors' sizes. Its payload's length follows from
these alone, so that a reader knows what to expect before it unpacks anything. Reading uses integer
arithmetic, one float32 multiplication a number and powers of two: the same bits on x86-64 and aarch64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import Malformed, Refused

Row = NDArray[np.float32]
Sizes = NDArray[np.int64]
"""How many numbers each tensor has, in the order of the row."""

WHAT = "an update"

QUICK, THOROUGH = 3, 19
"""Levels of zstd. On a megabyte of dense numbers a high one takes a fifth of a second and saves a twentieth;
on the few kilobytes of the largest numbers it takes a millisecond."""


class UnknownEncoding(Refused):
    """The encoding {what} was refused: {why}. The encodings are dense-fp32, dense-fp16, dense-int8 and, with
    a percentage, topk1-int8 or topk1-int4."""


class Encoding(Protocol):
    """A way to write one row of numbers."""

    @property
    def zstd_level(self) -> int:
        """How hard zstd is to try on the payload."""

    def length(self, sizes: Sizes) -> int:
        """Bytes of the payload."""

    def write(self, row: Row, sizes: Sizes) -> bytes: ...

    def read(self, payload: bytes, sizes: Sizes) -> Row:
        """`payload` has `length` bytes. Raises Malformed; the values may still be infinite."""


def named(name: str) -> Encoding:
    """Raises UnknownEncoding."""
    if name in DENSE:
        return DENSE[name]
    match = re.fullmatch(r"topk([0-9]{1,2}|0\.[0-9]{1,2})-(int8|int4)", name)
    if match and Decimal(match[1]) > 0:
        return TopK(per_cent=Decimal(match[1]), values=VALUES[match[2]])
    raise UnknownEncoding(what=name[:80], why="this version of Milepost does not know it")


# --- dense --------------------------------------------------------------------------------------------------


class Float32:
    """Every number as it is."""

    zstd_level = QUICK

    def length(self, sizes: Sizes) -> int:
        return 4 * int(sizes.sum())

    def write(self, row: Row, sizes: Sizes) -> bytes:
        return row.astype("<f4").tobytes()

    def read(self, payload: bytes, sizes: Sizes) -> Row:
        return np.frombuffer(payload, "<f4").astype(np.float32)


class Float16:
    """Half precision; each tensor under a power of two that brings its largest number to between 1/2 and
    1."""

    zstd_level = QUICK

    def length(self, sizes: Sizes) -> int:
        return 2 * len(sizes) + 2 * int(sizes.sum())

    def write(self, row: Row, sizes: Sizes) -> bytes:
        exponents = np.frexp(_largest(np.abs(row), _owner(sizes), len(sizes)))[1].astype("<i2")
        halves = np.ldexp(row, -np.repeat(exponents, sizes).astype(np.int32)).astype("<f2")
        return exponents.tobytes() + halves.tobytes()

    def read(self, payload: bytes, sizes: Sizes) -> Row:
        exponents = np.frombuffer(payload, "<i2", len(sizes)).astype(np.int32)
        halves = np.frombuffer(payload, "<f2", offset=2 * len(sizes)).astype(np.float32)
        return np.ldexp(halves, np.repeat(exponents, sizes))


class Int8:
    """Eight bits; each tensor under one float32 scale."""

    zstd_level = QUICK

    def length(self, sizes: Sizes) -> int:
        return 4 * len(sizes) + int(sizes.sum())

    def write(self, row: Row, sizes: Sizes) -> bytes:
        return Eight.write(row, _owner(sizes), len(sizes))

    def read(self, payload: bytes, sizes: Sizes) -> Row:
        return Eight.read(payload, _owner(sizes), len(sizes))


DENSE: dict[str, Encoding] = {"dense-fp32": Float32(), "dense-fp16": Float16(), "dense-int8": Int8()}

# --- values under one scale per tensor ----------------------------------------------------------------------


class Values(Protocol):
    """A way to write numbers of which each belongs to a tensor (`owner`, ascending) out of `tensors`."""

    @staticmethod
    def length(count: int, tensors: int) -> int: ...

    @staticmethod
    def write(numbers: Row, owner: Sizes, tensors: int) -> bytes: ...

    @staticmethod
    def read(payload: bytes, owner: Sizes, tensors: int) -> Row: ...


class Eight:
    """-127 to 127 times the scale."""

    @staticmethod
    def length(count: int, tensors: int) -> int:
        return 4 * tensors + count

    @staticmethod
    def write(numbers: Row, owner: Sizes, tensors: int) -> bytes:
        scales = (_largest(np.abs(numbers), owner, tensors) / np.float32(127)).astype("<f4")
        whole = np.rint(_divide(numbers, scales[owner]))
        return scales.tobytes() + np.clip(whole, -127, 127).astype(np.int8).tobytes()

    @staticmethod
    def read(payload: bytes, owner: Sizes, tensors: int) -> Row:
        scales = np.frombuffer(payload, "<f4", tensors).astype(np.float32)
        return np.frombuffer(payload, np.int8, offset=4 * tensors).astype(np.float32) * scales[owner]


class Four:
    """A sign and one of eight levels of the scale, half an octave apart, the last one nought: what is far
    below the largest waits on the car for the next update."""

    levels = np.array([1.0, 0.70710677, 0.5, 0.35355338, 0.25, 0.17677669, 0.125, 0.0], np.float32)

    @staticmethod
    def length(count: int, tensors: int) -> int:
        return 4 * tensors + (count + 1) // 2

    @staticmethod
    def write(numbers: Row, owner: Sizes, tensors: int) -> bytes:
        scales = _largest(np.abs(numbers), owner, tensors).astype("<f4")
        share = _divide(np.abs(numbers), scales[owner])
        edges = 0.5 * (Four.levels[:-1] + Four.levels[1:])
        codes = (len(edges) - np.searchsorted(edges[::-1], share)).astype(np.uint8)
        codes |= np.where(numbers < 0, 8, 0).astype(np.uint8)
        pairs = np.append(codes, np.zeros(len(codes) % 2, np.uint8)).reshape(-1, 2)
        return scales.tobytes() + (pairs[:, 0] | (pairs[:, 1] << 4)).astype(np.uint8).tobytes()

    @staticmethod
    def read(payload: bytes, owner: Sizes, tensors: int) -> Row:
        scales = np.frombuffer(payload, "<f4", tensors).astype(np.float32)
        packed = np.frombuffer(payload, np.uint8, offset=4 * tensors)
        codes = np.stack([packed & 15, packed >> 4], axis=1).ravel()[: len(owner)]
        magnitude: Row = Four.levels[codes & 7] * scales[owner]
        return np.where(codes & 8, -magnitude, magnitude)


VALUES: dict[str, type[Values]] = {"int8": Eight, "int4": Four}

# --- the largest few ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TopK:
    """The places, as 32-bit gaps from one to the next split into their four bytes (the upper three are nearly
    all nought and pack to nothing), then the values."""

    per_cent: Decimal
    values: type[Values]
    zstd_level: ClassVar[int] = THOROUGH

    def count(self, sizes: Sizes) -> int:
        total = int(sizes.sum())
        return min(total, int(total * self.per_cent // 100) + 1)

    def length(self, sizes: Sizes) -> int:
        count = self.count(sizes)
        return 4 * count + self.values.length(count, len(sizes))

    def write(self, row: Row, sizes: Sizes) -> bytes:
        count = self.count(sizes)
        places = _largest_places(np.abs(row), count)
        gaps = np.diff(places, prepend=-1).astype("<u4")
        owner = np.searchsorted(np.cumsum(sizes), places, side="right")
        planes = gaps.view(np.uint8).reshape(count, 4).T
        return planes.tobytes() + self.values.write(row[places], owner, len(sizes))

    def read(self, payload: bytes, sizes: Sizes) -> Row:
        count, total = self.count(sizes), int(sizes.sum())
        planes = np.frombuffer(payload, np.uint8, 4 * count).reshape(4, count)
        gaps = np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.int64)
        places = np.cumsum(gaps) - 1
        if count and (int(gaps.min()) < 1 or int(places[-1]) >= total):
            raise Malformed(what=WHAT, why="a place is named twice or lies outside the network")
        owner = np.searchsorted(np.cumsum(sizes), places, side="right")
        row = np.zeros(total, np.float32)
        row[places] = self.values.read(payload[4 * count :], owner, len(sizes))
        return row


# --- arithmetic ---------------------------------------------------------------------------------------------


def _owner(sizes: Sizes) -> Sizes:
    """For each number of the row, which tensor it belongs to."""
    return np.repeat(np.arange(len(sizes)), sizes)


def _largest(magnitudes: Row, owner: Sizes, tensors: int) -> Row:
    """The largest number of each tensor; nought for one without numbers."""
    largest = np.zeros(tensors, np.float32)
    np.maximum.at(largest, owner, magnitudes)
    return largest


def _largest_places(magnitudes: Row, count: int) -> Sizes:
    """Where the `count` largest numbers are, ascending; of equals the first."""
    least = np.partition(magnitudes, len(magnitudes) - count)[len(magnitudes) - count]
    above = np.flatnonzero(magnitudes > least)
    equal = np.flatnonzero(magnitudes == least)[: count - len(above)]
    return np.sort(np.concatenate([above, equal]))


def _divide(numbers: Row, by: Row) -> Row:
    return np.divide(numbers, by, out=np.zeros_like(numbers), where=by > 0)
