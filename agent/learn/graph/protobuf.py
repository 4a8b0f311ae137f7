"""A look at a graph file's bytes before anything parses them.

Protobuf turns two bytes into an object of a hundred: 200 MB of empty nodes would take 10 GB. So the numbers
(weights, which stay as large as they are) are told from all else, and all else is bounded tightly. Wire
format and field numbers: protobuf encoding documentation, `onnx.proto`.
"""

from __future__ import annotations

from agent.core.bundle_files import GRAPH
from agent.errors import Malformed

Fields = dict[int, "Fields | str"]
"""Fields worth looking into; the others are leaves."""

NUMBERS, LEAF = "numbers", "leaf"
TENSOR: Fields = {4: NUMBERS, 9: NUMBERS, 10: NUMBERS}  # float_data, raw_data, double_data
NODE: Fields = {5: {5: TENSOR}}  # attribute, its tensor
MODEL: Fields = {7: {1: NODE, 5: TENSOR}}  # graph: its nodes and initializers

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


def bounded(data: bytes, most: int) -> None:
    """Raises Malformed when a model file has more than `most` bytes besides its numbers, or is no protobuf."""
    _walk(data, MODEL, 0, len(data), most)


def _walk(data: bytes, fields: Fields, at: int, end: int, left: int) -> int:
    """How many of the bytes that are `left` to spend remain after this message."""
    while at < end:
        began = at
        key, at = _varint(data, at, end)
        kind, inside = key & 7, fields.get(key >> 3, LEAF)
        if kind == VARINT:
            _, at = _varint(data, at, end)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == DELIMITED:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise Malformed(
                    what=GRAPH, why="it is not an ONNX file, or one cut short: a field is longer than the file"
                )
            if isinstance(inside, dict):
                left = _walk(data, inside, at, at + length, left)
            at += length
            began += length if inside != LEAF else 0
        else:
            raise Malformed(what=GRAPH, why="it is not an ONNX file")
        left -= at - began
        if left < 0:
            raise Malformed(what=GRAPH, why="it has too many bytes besides its weights")
    if at > end:
        raise Malformed(what=GRAPH, why="it is not an ONNX file, or one cut short: a field is longer than the file")
    return left


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise Malformed(what=GRAPH, why="it is not an ONNX file")
