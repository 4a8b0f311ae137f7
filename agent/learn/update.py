"""`update.safetensors`: what a vehicle learnt, as the difference to the round's base weights.

A safetensors file with one tensor `update` (a zstd frame of the encoding's payload) whose metadata names the
encoding. Every reader decodes it to the same bits. What an encoding leaves out stays on the car as the
residual, is added to the next update before that is encoded (error feedback, Seide et al. 2014, Stich et al.
2018), and rests on disk under the car's own key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import zstandard
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from numpy.typing import NDArray

from agent.errors import Malformed
from agent.learn import encoding
from agent.learn.encoding import WHAT, Sizes
from agent.learn.weights import Weights, dump, flat, load, same_shape, shaped, tensors_and_metadata

OVERHEAD = 64 * 1024
"""What a file may hold beyond its payload: the container, and zstd where it cannot shrink."""
LONGEST = 10.0
"""An update may be at most so many times as long as the base's weights."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An update ready to travel, and what stays behind."""

    data: bytes
    residual: dict[str, NDArray[np.float32]]
    """What `data` leaves out, by the base's names and shapes: goes into the next update."""
    error: Decimal
    """Relative L2 error of what `data` says against what was to be said, to six places."""


def most_bytes(name: str, base: Weights) -> int:
    """How long the file of an update to this base can be at most. Raises UnknownEncoding."""
    payload = encoding.named(name).length(_sizes(base))
    return OVERHEAD + payload + payload // 128


def encode(name: str, base: Weights, trained: Weights, residual: Weights | None = None) -> Encoded:
    """The difference `trained - base`, with the last update's residual added, in the encoding `name`.

    Raises UnknownEncoding, or Malformed when names, shapes or values do not fit.
    """
    from safetensors.numpy import save

    chosen = encoding.named(name)
    same_shape(trained, base, WHAT)
    target = flat(trained) - flat(base)
    if residual is not None:
        same_shape(residual, base, "a residual")
        target = target + flat(residual)
    if not np.isfinite(target).all():
        raise Malformed(what=WHAT, why="it holds a value that is not finite")
    sizes = _sizes(base)
    payload = chosen.write(target, sizes)
    missing = target - chosen.read(payload, sizes)
    frame = np.frombuffer(zstandard.ZstdCompressor(level=chosen.zstd_level).compress(payload), np.uint8)
    data = save({"update": frame}, metadata={"encoding": name})
    return Encoded(data=data, residual=shaped(missing, base), error=_relative(missing, target))


def decode(data: bytes, base: Weights, said: str | None = None) -> dict[str, NDArray[np.float32]]:
    """The difference to `base` that an update from anywhere says. Raises UnknownEncoding or Malformed; also when it is
    written in another encoding than was said, where one was."""
    name, frame = _opened(data, base)
    if said not in (None, name):
        raise Malformed(what=WHAT, why=f"it is {name[:80]}, its contribution says {said}")
    chosen, sizes = encoding.named(name), _sizes(base)
    row = chosen.read(_unpacked(frame, chosen.length(sizes)), sizes)
    if not np.isfinite(row).all():
        raise Malformed(what=WHAT, why="it holds a value that is not finite")
    return shaped(row, base)


def too_long(change: Weights, base: Weights) -> str:
    """Why a difference is no step of training, as validators see it, or ''."""
    length, most = float(np.linalg.norm(flat(change))), LONGEST * float(np.linalg.norm(flat(base)))
    return "" if length <= most else f"the update's length is {length:.3g}, at most {most:.3g} is plausible"


def seal_residual(residual: Weights, key: bytes) -> bytes:
    """The residual for the car's disk, encrypted and authenticated under its 32-byte key."""
    return bytes(SecretBox(key).encrypt(dump(residual)))


def open_residual(data: bytes, key: bytes, base: Weights) -> dict[str, NDArray[np.float32]]:
    """Raises Malformed when the key, the bytes or the base's shapes do not fit."""
    try:
        residual = load(SecretBox(key).decrypt(data))
    except CryptoError:
        raise Malformed(what="a residual", why="it was not sealed with this car's key, or was changed") from None
    same_shape(residual, base, "a residual")
    return residual


def _opened(data: bytes, base: Weights) -> tuple[str, bytes]:
    """The encoding's name and the zstd frame."""
    most = OVERHEAD + 5 * int(_sizes(base).sum())
    tensors, metadata = tensors_and_metadata(data, WHAT, max_bytes=most)
    if "encoding" not in metadata:
        raise Malformed(what=WHAT, why="its metadata does not name the encoding")
    if tensors.keys() != {"update"} or tensors["update"].dtype != np.uint8:
        raise Malformed(what=WHAT, why="it holds something else than one tensor of bytes named update")
    return metadata["encoding"], tensors["update"].tobytes()


def _unpacked(frame: bytes, length: int) -> bytes:
    """Exactly `length` bytes out of a zstd frame: one that declares another size is not unpacked at all."""
    try:
        parameters = zstandard.get_frame_parameters(frame)
        if parameters.content_size != length:
            raise Malformed(what=WHAT, why=f"it unpacks to {parameters.content_size} bytes instead of {length}")
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed(what=WHAT, why=str(error)) from None


def _sizes(base: Weights) -> Sizes:
    return np.array([base[name].size for name in sorted(base)], dtype=np.int64)


def _relative(missing: NDArray[np.float32], target: NDArray[np.float32]) -> Decimal:
    whole, rest = _length(target), _length(missing)
    return Decimal(f"{rest / whole if whole else 0.0:.6f}")


def _length(row: NDArray[np.float32]) -> float:
    # Not `linalg.norm`: for one dot product it wakes a thread on every core, next to training.
    return math.sqrt(float(np.square(row.astype(np.float64)).sum()))
