"""The built-in networks' names and hyper-parameters, checked without torch."""

from __future__ import annotations

from agent.core.round import Round
from agent.errors import Malformed
from agent.learn import kinds
from agent.sentences import did_you_mean

HYPER: dict[str, dict[str, tuple[int, int, int]]] = {
    # network: {hyper-parameter: (default, least, most)}
    "pilotnet": {"width_percent": (100, 25, 400)},
    "smallres": {"filters": (16, 4, 128), "blocks": (2, 1, 8)},
    "deepchain": {"filters": (10, 1, 256), "hidden": (128, 1, 4096)},
    "smallfcos": {"filters": (16, 4, 128), "blocks": (1, 1, 8)},
    "onnx": {},
}
FOR_BOXES = "smallfcos"
"""The built-in network for detection, and for nothing else."""
MOST_PARAMETERS = 50_000_000


def hyper(round: Round) -> dict[str, int]:
    """Hyper-parameters with their defaults filled in. Raises Malformed for an unknown one or a value out
    of range."""
    name, given = round.architecture.name, round.architecture.hyper
    if name != "onnx" and (name == FOR_BOXES) != kinds.of(round.task, round.input.sample).has_boxes:
        raise Malformed(what="the round", why=f"{name} is no network for {round.task.kind}; {FOR_BOXES} finds boxes")
    known = HYPER[name]
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known, f"it knows {', '.join(known) or 'none'}")
            raise Malformed(what="the round", why=f"{name} has no hyper-parameter {key}; {hint}")
    values = {key: given.get(key, default) for key, (default, _, _) in known.items()}
    for key, (_, least, most) in known.items():
        if not least <= values[key] <= most:
            raise Malformed(what="the round", why=f"{name}'s {key} is {values[key]}, not {least} to {most}")
    return values


def outputs(round: Round) -> int:
    """How many numbers the network gives for one sample. Raises Malformed."""
    kind = kinds.of(round.task, round.input.sample)
    if len(round.task.classes) < kind.fewest_classes:
        counted = {1: "one class", 2: "two classes"}[kind.fewest_classes]
        raise Malformed(what="the round", why=f"{round.task.kind} needs at least {counted}")
    return kind.outputs
