"""Whether this machine can train a round, found out before anything is at stake. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from agent.core.bundle_files import GRAPH, WEIGHTS
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.learn import architecture, checkpoint, encoding, graph, teacher, weights

COPIES = 8
"""Of the weights: themselves, base, gradients, both moments, one being written, and what files take in passing."""
TORCH_MB = 550
"""What the training process holds before it has seen a network (torch 2.13: 270 MB as built for the CPU, 551 MB for
CUDA)."""


class Unfit(Refused):
    """The round cannot be trained here: {why}"""


def check(round_: Round, folder: Path, memory_mb: int) -> None:
    """`folder`: the verified bundle. Raises UnknownOperator, UnknownEncoding, OtherTeacher, Malformed or Unfit."""
    encoding.named(round_.recipe.encoding)
    architecture.hyper(round_)
    checked = graph.check(_held(folder, GRAPH))
    graph.fits(checked, round_)
    if round_.task.labels == "teacher":
        teacher.check(graph.check(_held(folder, teacher.NAME)), round_)
    base = checkpoint.read_weights(folder / WEIGHTS)
    weights.same_shape(base, checked.weights, "the round's weights")
    if (needed := needed_mb(checked)) > memory_mb:
        raise Unfit(why=f"it needs about {needed:.0f} MB, train.memory_mb is {memory_mb}")


def needed_mb(checked: graph.Graph) -> float:
    """What the training process holds at least. A batch that does not fit goes through in parts: what has to fit is one
    sample, forward and backward."""
    weights_bytes = sum(value.nbytes for value in checked.weights.values())
    return TORCH_MB + (COPIES * weights_bytes + 2 * checked.activation_bytes) / 1e6


def _held(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise Malformed(what="the round", why=f"its bundle holds no {name}")
    return folder / name
