"""Labels from a teacher: an ONNX model in the round that says what a frame shows, when it is sure enough."""

from __future__ import annotations

import numpy as np

from agent.core.bundle_files import TEACHER
from agent.core.documents import Round
from agent.errors import Malformed, Refused
from agent.learn.graph import Graph
from agent.learn.runner import HERE, Device, Runner, Samples

NAME = TEACHER
"""The teacher's file in the round bundle."""


class OtherTeacher(Refused):
    """The teacher {what} was refused: {why}. No stake is placed on its labels."""


def check(graph: Graph, round: Round) -> None:
    """Raises OtherTeacher when it was made for other samples or classes."""
    sample = (round.input.channels, round.input.height, round.input.width)
    if graph.sample != sample:
        raise OtherTeacher(what=NAME, why=f"it takes samples of {graph.sample}, the round's are {sample}")
    wanted = 2 if round.task.kind == "steering" else len(round.task.classes)
    if graph.outputs != wanted:
        raise OtherTeacher(what=NAME, why=f"it gives {graph.outputs} numbers, the round needs {wanted}")
    if round.task.kind == "classification" and graph.shares:
        raise OtherTeacher(what=NAME, why=f"it ends in {graph.shares}, and logits are wanted: export it without")


class Teacher:
    """Labels samples by a round's teacher.

    Classification: one logit a class, the confidence is the softmax of the best. Steering: two numbers, the
    angle in units of the task's scale and the logit of the confidence in it.
    """

    def __init__(self, graph: Graph, round: Round, machine: Device = HERE) -> None:
        """Raises OtherTeacher as `check`, Malformed when it cannot run."""
        check(graph, round)
        self._task, self._runner = round.task, Runner(graph, machine=machine)

    def __repr__(self) -> str:
        return f"<Teacher {self._task.kind} above {self._task.confidence}>"

    def label(self, samples: Samples) -> list[float | None]:
        """Degrees or class index of each sample; None where the teacher is not sure enough. Raises
        Malformed."""
        outputs = self._runner.run(samples).astype(np.float64)
        if not np.isfinite(outputs).all():
            raise Malformed(what=NAME, why="it gave a value that is not finite")
        if self._task.kind == "steering":
            labels, sure = outputs[:, 0] * float(self._task.scale), 1.0 / (1.0 + np.exp(-outputs[:, 1]))
        else:
            shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            labels, sure = outputs.argmax(axis=1), shares.max(axis=1) / shares.sum(axis=1)
        bound = float(self._task.confidence)
        return [float(label) if share >= bound else None for label, share in zip(labels, sure, strict=True)]
