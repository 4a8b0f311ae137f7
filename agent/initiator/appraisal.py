"""What a network that somebody brings would be as a round's: taken or not, what of its file is published, and what it
costs on each board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.host import profile
from agent.learn import fitness
from agent.learn.graph import Graph
from agent.learn.graph.inspection import Inspection, inspect
from agent.learn.graph.table import RUNTIMES
from agent.learn.kinds.detection import cells

BATCH = 32
"""Samples a step, for the speed: what plans have."""
FORWARD_AND_BACKWARD = 3
"""Times the multiplications of the forward pass: the backward one goes through each layer for its inputs and for its
weights."""
SHOWN = 12
"""Operators, at most, on one screen."""


@dataclass(frozen=True, slots=True)
class BoardCost:
    """Training on one kind of board."""

    profile: str
    needed_mb: float
    memory_mb: int
    """What its profile gives to training."""
    steps_per_s: float | None
    """At most, estimated from what the board was measured at; None: nobody has measured one. Small networks spend their
    time on other things than multiplying, and stay below it."""

    @property
    def fits(self) -> bool:
        return self.needed_mb <= self.memory_mb


@dataclass(frozen=True, slots=True)
class Appraisal:
    """One network's."""

    file: str
    found: Inspection
    boards: tuple[BoardCost, ...]
    """None where the network is not taken."""

    @property
    def taken(self) -> bool:
        return self.found.fault is None

    def facts(self) -> dict[str, object]:
        """Everything, for programs."""
        found = self.found
        says = {"file_format": found.file_format, "operator_set": found.operator_set, "exporter": found.exporter}
        return {
            "file": self.file,
            "bytes": found.bytes,
            "taken": self.taken,
            "change": found.fault,
            **says,
            "published": None if found.graph is None else _published(found.graph),
            "network": None if found.graph is None else _network(found.graph),
            "operators": dict(found.operators),
            "unknown_operators": list(found.unknown),
            "stripped": dict(found.notes),
            "stripped_path": found.path,
            "batch": BATCH,
            "boards": [
                {
                    "profile": board.profile,
                    "needed_mb": round(board.needed_mb),
                    "memory_mb": board.memory_mb,
                    "fits": board.fits,
                    "steps_per_s_estimated": None if board.steps_per_s is None else round(board.steps_per_s, 1),
                }
                for board in self.boards
            ],
        }

    def lines(self) -> Iterator[str]:
        """One screen, for people."""
        found = self.found
        yield f"{self.file}: {'taken' if self.taken else 'not taken'}, {found.bytes:,} bytes"
        if found.file_format is not None:
            said = f"file format {found.file_format}, operator set {found.operator_set}"
            yield f"  file       {said}, by {found.exporter or 'nobody it names'}"
        if found.graph is not None:
            yield from _about(found.graph)
        if found.operators:
            shown = [f"{name} {count}" for name, count in found.operators.items()]
            yield f"  operators  {', '.join(shown[:SHOWN])}{', …' if len(shown) > SHOWN else ''}"
        if found.unknown:
            yield f"  unknown    {', '.join(found.unknown[:SHOWN])}"
        if found.file_format is not None:
            stripped = ", ".join(f"{count} {what}" for what, count in found.notes.items()) or "nothing"
            yield f"  stripped   {stripped}{f' ({found.path})' if found.path else ''}"
        if self.boards:
            yield f"  board               needs     has      steps a second (estimated, at most; {BATCH} samples each)"
        for board in self.boards:
            speed = "not measured" if board.steps_per_s is None else f"{board.steps_per_s:.1f}"
            memory = f"{board.needed_mb:6.0f} MB {board.memory_mb:6} MB"
            yield f"    {board.profile:<17} {memory}  {speed if board.fits else 'too large for it'}"
        yield f"  change     {found.fault or 'nothing'}"


def appraise(file: Path) -> Appraisal:
    """Never raises Refused: what is wrong with the network is in the appraisal."""
    found = inspect(file)
    boards = () if found.graph is None else tuple(_cost(found.graph, board) for board in profile.every())
    return Appraisal(file.name, found, boards)


def _cost(graph: Graph, board: profile.Profile) -> BoardCost:
    work = FORWARD_AND_BACKWARD * graph.multiply_adds * BATCH
    speed = board.multiply_adds_per_s
    memory_mb = int(board.settings["train"]["memory_mb"])
    return BoardCost(board.name, fitness.needed_mb(graph), memory_mb, None if speed is None else speed / work)


def _published(graph: Graph) -> dict[str, object]:
    version = graph.proto.opset_import[0].version
    runtime = next(name for least, name in RUNTIMES.items() if version <= least)
    return {"file_format": graph.proto.ir_version, "operator_set": version, "onnxruntime": runtime}


def _network(graph: Graph) -> dict[str, object]:
    return {
        "sample": list(graph.sample),
        "input": "uint8" if graph.takes_bytes else "float32",
        "outputs": graph.outputs,
        "weights": sum(array.size for array in graph.weights.values()),
        "tensors": len(graph.weights),
        "multiply_adds": graph.multiply_adds,
        "activation_bytes": graph.activation_bytes,
    }


def _about(graph: Graph) -> Iterator[str]:
    published, network = _published(graph), _network(graph)
    said = f"file format {published['file_format']}, operator set {published['operator_set']}"
    yield f"  published  {said}: onnxruntime from {published['onnxruntime']} on reads it"
    channels, height, width = graph.sample
    serves = _serves(graph)
    pixels = "bytes" if graph.takes_bytes else "pixels scaled to [-1, 1]"
    yield f"  task       {serves}, from {channels} x {height} x {width} {pixels} ({network['input']})"
    cost = f"{graph.multiply_adds / 1e6:,.1f} million multiplications and {graph.activation_bytes / 1e6:,.1f} MB"
    yield f"  weights    {network['weights']:,} in {network['tensors']} tensors; {cost} of activations a sample"


def _serves(graph: Graph) -> str:
    """What a row of so many numbers can be for."""
    if graph.outputs == 1:
        return "steering"
    rows, columns = cells(graph.sample)
    classes, left = divmod(graph.outputs, rows * columns)
    grid = f", or detection of {classes - 4} classes" if classes > 4 and not left else ""
    return f"classification of {graph.outputs} classes{grid}"
