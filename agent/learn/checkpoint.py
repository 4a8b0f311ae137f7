"""Weights and checkpoints on disk: safetensors, whole or not at all, never a pickle.

A checkpoint is one file: the weights, both of Adam's moments, and the trainer's state as JSON in the
header. One file, because two could be from different moments after a power cut.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent import files
from agent.errors import Malformed
from agent.learn.weights import MAX_BYTES, Weights, dump, tensors_and_metadata
from agent.learn.weights import load as load_weights

Array = npt.NDArray[np.float32]

NAME = "checkpoint.safetensors"
CHECKED = "checked-state"
"""In the header: the checksum of all, then the state. Of a trip that an older version began it is `state` alone."""
WEIGHT, MOMENT = "weight/", "moment/"


@dataclass(slots=True)
class TrainingState:
    """Where one job's training stands, but for the tensors."""

    steps: int = 0
    samples: int = 0
    """Distinct frames taken for training."""
    undone: int = 0
    """Steps that gave NaN or infinity and were not taken."""
    learning_rate: float = 0.0
    loss: float | None = None
    began_t: float | None = None
    """The first frame's time: the held-back blocks are counted from it."""
    ring: str = ""
    seen: int = 0
    """The last frame taken from the ring of this name."""
    held_back: float | None = None
    held_back_samples: int = 0
    held_back_base: float | None = None
    """The base's figure on the same frames, measured at the end."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Before the first one is written there is a state and nothing else."""

    state: TrainingState = field(default_factory=TrainingState)
    weights: dict[str, Array] = field(default_factory=dict)
    moments: dict[str, Array] = field(default_factory=dict)


def save(folder: Path, state: TrainingState, weights: Weights, moments: Weights) -> None:
    """Replace the folder's checkpoint. After a power cut it is the old one or the new one."""
    from safetensors.numpy import save as to_bytes

    tensors = {f"{WEIGHT}{name}": value for name, value in weights.items()}
    tensors |= {f"{MOMENT}{name}": value for name, value in moments.items()}
    said = json.dumps(asdict(state))
    files.write_whole(folder / NAME, to_bytes(tensors, {CHECKED: _checksum(said, tensors) + said}))


def load(folder: Path) -> Checkpoint | None:
    """The folder's checkpoint, or None when there is none. Raises Malformed, for one that has rotted too: a weight with
    another bit is a weight, and would be handed in."""
    path = folder / NAME
    if not path.exists():
        return None
    tensors, header = tensors_and_metadata(read_bytes(path, 3 * MAX_BYTES), NAME, 3 * MAX_BYTES)
    checked = header.get(CHECKED)
    if checked is not None and checked[:8] != _checksum(checked[8:], tensors):
        raise Malformed(what=NAME, why="it is not as it was written")
    try:
        said = json.loads(header["state"] if checked is None else checked[8:])
        said.pop("fingerprint", None)  # of a trip that an older version began
        state = TrainingState(**said)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Malformed(what=NAME, why="it holds no state of a trainer") from None
    return Checkpoint(state, _part(tensors, WEIGHT), _part(tensors, MOMENT))


def _checksum(state: str, tensors: Mapping[str, npt.NDArray[np.generic]]) -> str:
    crc = zlib.crc32(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        crc = zlib.crc32(f"{name} {tensor.dtype} {tensor.shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(tensor).data, crc)
    return f"{crc:08x}"


def _part(tensors: dict[str, npt.NDArray[np.generic]], prefix: str) -> dict[str, Array]:
    chosen = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value.astype(np.float32, copy=False) for name, value in chosen.items()}


def write_weights(path: Path, weights: Weights) -> None:
    """Weights alone, whole or not at all."""
    files.write_whole(path, dump(weights))


def read_weights(path: Path) -> dict[str, Array]:
    """Weights from a verified bundle: bounded, float32 and finite. Raises Malformed."""
    return load_weights(read_bytes(path, MAX_BYTES))


def read_bytes(path: Path, most: int) -> bytes:
    """A file of at most so many bytes. Raises Malformed."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise Malformed(what=path.name, why=f"{size} bytes, at most {most} are read")
            return file.read(size)
    except OSError as error:
        raise Malformed(what=path.name, why=str(error)) from None
