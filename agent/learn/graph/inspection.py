"""A look at a network that somebody brings: what its file says, what the check makes of it, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.errors import Refused
from agent.learn.graph.check import Graph, GraphLimits, check, gives_logits
from agent.learn.graph.file import operator_set, parsed, read
from agent.learn.graph.notes import PATH, kind, notes
from agent.learn.graph.table import OPERATORS

LIMITS = GraphLimits()


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model file. Where it cannot be read at all, it has a size and a fault."""

    bytes: int
    file_format: int | None
    """ONNX's IR version, as the file says it."""
    operator_set: int | None
    exporter: str
    operators: Mapping[str, int]
    """How many nodes of each."""
    unknown: tuple[str, ...]
    """Operators that no round can have."""
    notes: Mapping[str, int]
    """What would not be published, by kind."""
    path: str | None
    """One file's place among them."""
    graph: Graph | None
    fault: str | None
    """The first thing to change, as a sentence; None: it is taken."""


def inspect(path: Path, limits: GraphLimits = LIMITS) -> Inspection:
    """Never raises Refused: what is wrong is the fault. Runs the network once on two grey samples."""
    size = path.stat().st_size
    try:
        data = read(path, limits.file_bytes)
        proto = parsed(data, limits.structure_bytes)
    except Refused as error:
        return Inspection(size, None, None, "", {}, (), {}, None, None, str(error))
    found = list(notes(proto))
    paths = (PATH.search(text) for _, text in found)
    operators = Counter(_name(node) for node in proto.graph.node)
    graph, fault = _checked(data, limits)
    return Inspection(
        bytes=len(data),
        file_format=proto.ir_version,
        operator_set=operator_set(proto),
        exporter=f"{proto.producer_name} {proto.producer_version}".strip(),
        operators=dict(operators.most_common()),
        unknown=tuple(name for name in operators if name not in OPERATORS),
        notes=Counter(kind(note) for note in found),
        path=next((match[0] for match in paths if match), None),
        graph=graph,
        fault=fault,
    )


def _checked(data: bytes, limits: GraphLimits) -> tuple[Graph | None, str | None]:
    from agent.learn.runner import Runner

    try:
        graph = check(data, limits)
        if graph.outputs > 1:
            gives_logits(graph)
        Runner(graph).run(np.full((2, *graph.sample), 128, np.uint8))
    except Refused as error:
        return None, str(error)
    return graph, None


def _name(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else str(node.op_type)
