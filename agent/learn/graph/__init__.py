"""Any network, none of its code: an ONNX graph from a stranger, checked, trained and written back.

graph = check(path)            # needs no torch; raises UnknownOperator or Malformed
fits(graph, round)
network = module(path)         # a trainable torch module, state dict by the graph's names
put(graph, weights)            # the graph's file with new weights
published(graph)               # the graph's file as everybody may see it
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.learn.graph.check import Graph, Limits, UnknownOperator, check, fits
from agent.learn.graph.weights import published, put, taken

__all__ = ["Graph", "Limits", "UnknownOperator", "check", "fits", "module", "published", "put", "taken"]


def module(source: bytes | Path, limits: Limits | None = None) -> Any:
    """The graph as a `torch.nn.Module`. Raises UnknownOperator or Malformed."""
    from agent.learn.graph.trainable import GraphModule

    return GraphModule(check(source, limits or Limits()))
