"""Labels from a teacher: an ONNX model in the round that says what a frame shows, when it is sure enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.core.bundle_files import TEACHER
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.learn import kinds
from agent.learn.device import HERE, Device
from agent.learn.graph import Graph
from agent.learn.runner import Runner, Samples
from agent.ports import Label

NAME = TEACHER
"""The teacher's file in the round bundle."""


class OtherTeacher(Refused):
    """The teacher {what} was refused: {why}. No stake is placed on its labels."""


def check(graph: Graph, round: Round) -> None:
    """Raises OtherTeacher when it was made for other samples or classes."""
    if graph.sample != round.input.sample:
        raise OtherTeacher(what=NAME, why=f"it takes samples of {graph.sample}, the round's are {round.input.sample}")
    kind = kinds.of(round.task, round.input.sample)
    if graph.outputs != kind.teacher_outputs:
        raise OtherTeacher(what=NAME, why=f"it gives {graph.outputs} numbers, the round needs {kind.teacher_outputs}")
    if kind.takes_logits and graph.shares:
        raise OtherTeacher(what=NAME, why=f"it ends in {graph.shares}, and logits are wanted: export it without")


class Teacher:
    """Labels samples by a round's teacher, as the kind of its task reads what it gives (`kinds`)."""

    def __init__(self, graph: Graph, round: Round, machine: Device = HERE) -> None:
        """Raises OtherTeacher as `check`, Malformed when it cannot run."""
        check(graph, round)
        self._round, self._runner = round, Runner(graph, machine=machine)
        self._kind = kinds.of(round.task, round.input.sample)

    def __repr__(self) -> str:
        return f"<Teacher {self._round.task.kind} above {self._round.task.confidence}>"

    def label(self, samples: Samples) -> Sequence[Label | None]:
        """What each sample's frame shows; None where the teacher is not sure enough. Raises Malformed."""
        outputs = self._runner.run(samples).astype(np.float64)
        if not np.isfinite(outputs).all():
            raise Malformed(what=NAME, why="it gave a value that is not finite")
        confidence, crop_top = float(self._round.task.confidence), float(self._round.input.crop_top)
        return self._kind.sure(outputs, confidence, crop_top)
