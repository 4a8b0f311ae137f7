"""A network's numbers as a file: safetensors, float32 alone, read within bounds and never unpickled."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.errors import Malformed

Weights = Mapping[str, NDArray[np.float32]]
"""One network's numbers by name."""

MAX_HEADER = 1 << 20
MAX_BYTES = 1 << 30
MAX_TENSORS = 4096
PREFIX = 8
"""A safetensors file opens with its header's length as a 64-bit little-endian integer."""


def dump(weights: Weights) -> bytes:
    """The file's bytes; the same weights give the same bytes."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(array, dtype="<f4") for name, array in sorted(weights.items())}))


def load(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The numbers in a file from anywhere. Raises Malformed when they are not all finite float32."""
    tensors, _ = tensors_and_metadata(data, "a weights file")
    weights: dict[str, NDArray[np.float32]] = {}
    for name, array in tensors.items():
        if array.dtype != np.float32:
            raise Malformed(what="a weights file", why=f"{name} is {array.dtype}, only float32 is read")
        if not np.isfinite(array).all():
            raise Malformed(what="a weights file", why=f"{name} holds a value that is not finite")
        weights[name] = array.astype(np.float32, copy=False)
    return weights


def tensors_and_metadata(
    data: bytes, what: str, max_bytes: int = MAX_BYTES
) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
    """A safetensors file's arrays and the text beside them. Raises Malformed before anything large is
    allocated."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    if len(data) > max_bytes:
        raise Malformed(what=what, why=f"{len(data)} bytes, at most {max_bytes} are read")
    header_bytes = int.from_bytes(data[:PREFIX], "little")
    if len(data) < PREFIX or header_bytes > min(MAX_HEADER, len(data) - PREFIX):
        raise Malformed(what=what, why="its header is cut off or too long")
    try:
        header = json.loads(data[PREFIX : PREFIX + header_bytes])
        metadata = header.pop("__metadata__", {})
        if len(header) > MAX_TENSORS:
            raise Malformed(what=what, why=f"{len(header)} tensors, at most {MAX_TENSORS} are read")
        return load_tensors(data), {str(key): str(value) for key, value in metadata.items()}
    except (SafetensorError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise Malformed(what=what, why=str(error)[:200]) from None


def same_shape(weights: Weights, base: Weights, what: str) -> None:
    """Raises Malformed unless both have the same names and shapes."""
    if weights.keys() != base.keys():
        odd = min(weights.keys() ^ base.keys())
        raise Malformed(what=what, why=f"it does not name the same tensors as the base ({odd})")
    for name, array in weights.items():
        if array.shape != base[name].shape:
            raise Malformed(what=what, why=f"{name} is {array.shape}, the base has {base[name].shape}")


def flat(weights: Weights) -> NDArray[np.float32]:
    """All numbers in one row, names in sorted order."""
    if not weights:
        return np.zeros(0, np.float32)
    return np.concatenate([weights[name].ravel() for name in sorted(weights)]).astype(np.float32, copy=False)


def shaped(row: NDArray[np.float32], like: Weights) -> dict[str, NDArray[np.float32]]:
    """`flat` undone."""
    weights, start = {}, 0
    for name in sorted(like):
        count = math.prod(like[name].shape)
        weights[name] = row[start : start + count].reshape(like[name].shape)
        start += count
    return weights


def wide(weights: Weights) -> NDArray[np.float64]:
    """`flat`, to reckon with."""
    return flat(weights).astype(np.float64)


def narrow(row: NDArray[np.float64], like: Weights) -> dict[str, NDArray[np.float32]]:
    """`wide` undone."""
    return shaped(row.astype(np.float32), like)
