"""Samples of earlier trips, so that a week of motorway does not erase the city. Off unless configured.

A reservoir of fixed size, in memory that outlives the training child, or in a file under the car's own
key. Pictures of roads are nobody else's business: the file is never written in the clear.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import struct
from pathlib import Path

import numpy as np

from agent import files
from agent.core.round import Round
from agent.errors import Malformed
from agent.learn import checkpoint
from agent.learn.samples import Reservoir, label_shape

HEAD = struct.Struct("@32sQ")
"""What the samples look like and mean; how many were ever added."""


def kind(round: Round) -> bytes:
    """Samples of one kind fit each other: the same form, the same meaning of a label."""
    task = round.task.model_dump_json(include={"kind", "classes", "view"}, exclude_none=True)
    text = round.input.model_dump_json() + task
    return hashlib.sha256(text.encode()).digest()


class ReplayBuffer:
    """`memory`: a file descriptor shared with the daemon, or None; `path` and `key`: the file, or None
    and b''.

    Samples of another kind than the round's are forgotten: two models do not share a past. Raises
    Malformed when the file is not ours.
    """

    def __init__(self, round: Round, megabytes: float, memory: int | None, path: Path | None, key: bytes) -> None:
        spec = round.input
        shape = (spec.height, spec.width, spec.channels)
        slots = max(1, int(megabytes * 1e6) // (spec.height * spec.width * spec.channels))
        labels_at = HEAD.size
        shape_of_label = label_shape(round)
        per_label = math.prod(shape_of_label)
        images_at = labels_at + 4 * per_label * slots
        self.size = images_at + slots * spec.height * spec.width * spec.channels
        self.buffer = mmap.mmap(-1 if memory is None else memory, self.size)
        self.path, self.key, self.kind = path, key, kind(round)
        if path is not None and path.exists():
            self._unseal(path)
        found, added = HEAD.unpack_from(self.buffer)
        self.reservoir = Reservoir(
            np.frombuffer(self.buffer, np.uint8, offset=images_at).reshape(slots, *shape),
            np.frombuffer(self.buffer, np.float32, per_label * slots, labels_at).reshape(slots, *shape_of_label),
            seed=0,
            added=added if found == self.kind else 0,
        )

    def __repr__(self) -> str:
        return f"<Past {len(self.reservoir)} of {self.reservoir.added}>"

    def keep(self, trip: Reservoir) -> None:
        """Add a trip's samples; each of all trips' samples is then equally likely to be among the kept."""
        for number in range(len(trip)):
            self.reservoir.add(trip.images[number], trip.labels[number])
        HEAD.pack_into(self.buffer, 0, self.kind, self.reservoir.added)
        if self.path is not None:
            from nacl.secret import SecretBox

            files.write_whole(self.path, bytes(SecretBox(self.key).encrypt(bytes(self.buffer))))

    def _unseal(self, path: Path) -> None:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox

        data = checkpoint.read_bytes(path, self.size + SecretBox.NONCE_SIZE + SecretBox.MACBYTES)
        try:
            plain = SecretBox(self.key).decrypt(data)
        except (CryptoError, ValueError):
            raise Malformed(what=path.name, why="it does not open with this car's key") from None
        if len(plain) == self.size:  # of another size: made under other settings, and forgotten
            self.buffer[:] = plain


def size(round: Round, megabytes: float) -> int:
    """Bytes of the memory that daemon and child share."""
    each = round.input.height * round.input.width * round.input.channels
    return HEAD.size + max(1, int(megabytes * 1e6) // each) * (4 * math.prod(label_shape(round)) + each)
