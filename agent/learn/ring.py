"""A bounded ring of prepared samples in shared memory: the capture thread writes, the training child
reads.

The writer never waits and takes the oldest place when the ring is full; the reader sees from the numbers
that it was overtaken, and counts what it lost. The memory is an anonymous file that both processes hold
open: it has no name to leak, and is gone when both are. A record's CRC is what tells a whole record from
one that is being written: no assumption about the order in which another core sees our stores.
"""

from __future__ import annotations

import math
import mmap
import os
import select
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agent.core.round import Input, Round
from agent.learn.kinds.kind import Shape
from agent.learn.samples import Image, Labels, label_shape

WRITTEN, READ, LOST = range(3)
"""The head: three native words, each loaded and stored whole. Not by struct.pack_into, which puts noughts there first:
the other process would see the count go back."""
HEAD_BYTES = 3 * struct.calcsize("@Q")
RECORD = struct.Struct("@QdL")
"""Number, counted from 1; time; CRC of the two, the label and the image, which follow."""


@dataclass(frozen=True, slots=True)
class Record:
    number: int
    t: float
    label: Labels
    """As the task's kind has it: a number, or rows of boxes."""
    image: Image


class Ring:
    """`ends` are two file descriptors that a child may inherit: the memory, and an eventfd that wakes the
    reader."""

    def __init__(self, spec: Input, slots: int, ends: tuple[int, int] | None = None, label: Shape = ()) -> None:
        self.shape, self.label = (spec.height, spec.width, spec.channels), label
        self.slots = slots
        self.image_at = RECORD.size + 4 * math.prod(label)
        self.stride = self.image_at + math.prod(self.shape)
        if ends is None:
            ends = os.memfd_create("milepost-ring"), os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            os.ftruncate(ends[0], HEAD_BYTES + slots * self.stride)
        self.ends = ends
        self.memory = mmap.mmap(ends[0], HEAD_BYTES + slots * self.stride)
        self._head = memoryview(self.memory)[:HEAD_BYTES].cast("Q")

    @classmethod
    def sized(cls, round_: Round, megabytes: float) -> Ring:
        slots = max(16, int(megabytes * 1e6) // math.prod(round_.input.sample))
        return cls(round_.input, slots, label=label_shape(round_))

    def __repr__(self) -> str:
        return f"<Ring {self.written - self._head[READ]} waiting in {self.slots} slots, {self.lost} lost>"

    @property
    def written(self) -> int:
        return self._head[WRITTEN]

    @property
    def lost(self) -> int:
        return self._head[LOST]

    def put(self, t: float, label: Labels, image: Image) -> None:
        """Write one record and wake the reader. Never waits."""
        number = self.written + 1
        at = HEAD_BYTES + (number % self.slots) * self.stride
        content = np.asarray(label, np.float32).tobytes() + image.tobytes()
        RECORD.pack_into(self.memory, at, number, t, _check(number, t, content))
        self.memory[at + RECORD.size : at + self.stride] = content
        self._head[WRITTEN] = number
        os.eventfd_write(self.ends[1], 1)

    def wait(self, seconds: float | None, *others: int) -> None:
        """Until a record was put, something can be read from `others`, or the time is over."""
        ready, _, _ = select.select([self.ends[1], *others], [], [], seconds)
        if self.ends[1] in ready:
            os.eventfd_read(self.ends[1])

    def take(self) -> Iterator[Record]:
        """Every record since the last take, oldest first. One writer is lapping us: what it overwrote is
        counted."""
        head = self._head
        while head[READ] < head[WRITTEN]:
            number = max(head[READ] + 1, head[WRITTEN] - self.slots + 2)
            record = self._record(number)
            head[LOST] += number - head[READ] - 1 + (record is None)
            head[READ] = number
            if record is not None:
                yield record

    def again(self) -> None:
        """Start from the oldest record that is still there: a new reader has nothing yet."""
        self._head[READ] = min(self._head[READ], max(0, self.written - self.slots + 1))

    def _record(self, number: int) -> Record | None:
        at = HEAD_BYTES + (number % self.slots) * self.stride
        found, t, check = RECORD.unpack_from(self.memory, at)
        content = self.memory[at + RECORD.size : at + self.stride]
        if found != number or check != _check(found, t, content):
            return None
        label = np.frombuffer(content, np.float32, math.prod(self.label)).reshape(self.label)
        pixels = np.frombuffer(content, np.uint8, offset=self.image_at - RECORD.size)
        return Record(number, t, label, pixels.reshape(self.shape))

    def close(self) -> None:
        """Idempotent. The memory is given back once the other side has closed too."""
        if not self.memory.closed:
            self._head.release()
            self.memory.close()
            for end in self.ends:
                os.close(end)


def _check(number: int, t: float, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(struct.pack("@Qd", number, t)))
