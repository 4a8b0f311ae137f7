"""A look at a graph file's bytes before anything parses them.

Protobuf turns two bytes into an object of a hundred: 200 MB of empty nodes would take 10 GB. So the numbers
(weights, which stay as large as they are) are told from all else, and all else is bounded tightly. Wire
format and field numbers: protobuf encoding documentation, `onnx.proto`.
"""

from __future__ import annotations

from agent.errors import Malformed

Fields = dict[int, "Fields | None"]
"""Length-delimited fields worth looking into; None: plain numbers."""

TENSOR: Fields = {4: None, 9: None, 10: None}  # float_data, raw_data, double_data
NODE: Fields = {5: {5: TENSOR}}  # attribute, its tensor
MODEL: Fields = {7: {1: NODE, 5: TENSOR}}  # graph: its nodes and initializers

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


def numbers(data: bytes, fields: Fields = MODEL, start: int = 0, end: int | None = None) -> int:
    """How many bytes of a model file are plain numbers. Raises Malformed when it is no protobuf."""
    at, end, found = start, len(data) if end is None else end, 0
    while at < end:
        key, at = _varint(data, at, end)
        kind, field = key & 7, key >> 3
        if kind == VARINT:
            _, at = _varint(data, at, end)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == DELIMITED:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise Malformed(what="model.onnx", why="a field is longer than the file")
            if field in fields:
                inside = fields[field]
                found += length if inside is None else numbers(data, inside, at, at + length)
            at += length
        else:
            raise Malformed(what="model.onnx", why="it is not an ONNX file")
    if at > end:
        raise Malformed(what="model.onnx", why="a field is longer than the file")
    return found


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
    raise Malformed(what="model.onnx", why="it is not an ONNX file")
