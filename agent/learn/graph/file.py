"""A model file from anywhere: bounded bytes, then ONNX's message, or what else it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.core.bundle_files import GRAPH
from agent.errors import Malformed
from agent.learn.graph import protobuf

OTHERS = (
    # where, what bytes: what such a file is, and what to do with it
    (0, b"PK\x03\x04", "it is a file of PyTorch or another archive: load it there and export it to ONNX"),
    (0, b"\x80", "it is a Python pickle: load it in PyTorch and export it to ONNX"),
    (0, b"\x89HDF", "it is a Keras or HDF5 file: export it to ONNX with tf2onnx --inputs-as-nchw"),
    (4, b"TFL3", "it is a TensorFlow Lite file: export the network that it was made from to ONNX"),
    (8, b'{"', "it is a safetensors file, weights without a network: export the network to ONNX"),
)


def read(source: bytes | Path, most: int) -> bytes:
    """No more bytes than `most`, whatever kind of file it is. Raises Malformed."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            data = file.read(most + 1)
    else:
        data = source
    if len(data) > most:
        raise Malformed(what=GRAPH, why=f"it is larger than the {most} bytes that are read")
    return data


def parsed(data: bytes, most_structure: int) -> Any:
    """The file's ModelProto, just as it says. `most_structure`: bytes of all but the weights. Raises Malformed."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    for at, sign, why in OTHERS:
        if data[at:].startswith(sign):
            raise Malformed(what=GRAPH, why=why)
    protobuf.bounded(data, most_structure)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        raise Malformed(what=GRAPH, why="it is not an ONNX file") from None
    if not proto.HasField("graph"):
        raise Malformed(what=GRAPH, why="it is not an ONNX file" if data else "it is empty")
    return proto


def operator_set(proto: Any) -> int | None:
    """The version of ONNX's own operators."""
    versions = {opset.domain: opset.version for opset in proto.opset_import}
    return versions.get("", versions.get("ai.onnx"))
