"""Whether this machine can train a round, found out before anything is at stake. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from agent.core.documents import Round
from agent.errors import Refused
from agent.learn import encoding, graph, weights

COPIES = 8
"""Copies of the weights that training holds at once: weights, base, gradients, two moments, and room for
activations."""


class Unfit(Refused):
    """The round cannot be trained here: {why}"""


def check(round_: Round, folder: Path, memory_mb: int) -> None:
    """`folder`: the verified bundle. Raises UnknownOperator, UnknownEncoding, Malformed or Unfit."""
    encoding.named(round_.recipe.encoding)
    checked = graph.check(folder / "model.onnx")
    graph.fits(checked, round_)
    file = folder / "weights.safetensors"
    needed_mb = COPIES * file.stat().st_size / 1e6
    if needed_mb > memory_mb:
        raise Unfit(why=f"it needs about {needed_mb:.0f} MB, train.memory_mb is {memory_mb}")
    weights.same_shape(weights.load(file.read_bytes()), checked.weights, "the round's weights")
