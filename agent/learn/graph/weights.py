"""Weights out of a graph's file and into it."""

from __future__ import annotations

import numpy as np

from agent.core.bundle_files import GRAPH
from agent.learn.graph.check import Graph
from agent.learn.weights import Weights, same_shape


def put(graph: Graph, weights: Weights) -> bytes:
    """The graph's file with these weights, ready for any ONNX runtime. Raises Malformed unless names and
    shapes are the graph's."""
    same_shape(weights, graph.weights, GRAPH)
    proto = type(graph.proto)()
    proto.CopyFrom(graph.proto)
    for tensor in proto.graph.initializer:
        if tensor.name in weights:
            tensor.ClearField("float_data")
            tensor.raw_data = weights[tensor.name].astype("<f4").tobytes()
    return bytes(proto.SerializeToString())


def published(graph: Graph) -> bytes:
    """The graph's file as it came, without what it says of the computer that exported it, in the formats that the
    oldest allowed runtime reads. The same bytes for the same graph, also for one that was published before."""
    return bytes(graph.proto.SerializeToString(deterministic=True))


def taken(graph: Graph) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The weights the file came with, as `weights.safetensors` holds them."""
    return {name: array.copy() for name, array in graph.weights.items()}
