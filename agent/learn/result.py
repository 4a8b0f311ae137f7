"""What training hands over: from the last checkpoint alone, in any process, without torch."""

from __future__ import annotations

import math

import numpy as np

from agent.errors import MilepostError
from agent.learn import checkpoint, kinds
from agent.ports import Trained, TrainingTask

ENOUGH = 64
"""Frames held back before their figure may stop a contribution."""
WORSE = 1.25
"""Times the base's error. A short trip's figure is noisy: this stops rubbish, the committee judges the rest."""


class NothingLearnt(MilepostError):
    """Nothing worth a stake was learnt on this trip: {why}. No contribution is made, and nothing is lost."""


def training_result(task: TrainingTask) -> Trained:
    """Weights and counts of the last checkpoint. Idempotent. Raises NothingLearnt or Malformed."""
    last = checkpoint.load(task.folder)
    if last is None or not last.state.steps:
        raise NothingLearnt(why="no training step was made")
    state, least = last.state, task.round.recipe.minimum_samples
    if state.samples < least:
        raise NothingLearnt(why=f"{state.samples} samples were seen, the round asks for {least}")
    if state.steps * task.round.recipe.batch < least:
        raise NothingLearnt(why=f"{state.steps} steps do not even go once through the {least} samples of the round")
    if not all(np.isfinite(value).all() for value in last.weights.values()):
        raise NothingLearnt(why="the weights are not finite")
    if state.held_back is not None and state.held_back_samples >= ENOUGH and not _good(task, state):
        raise NothingLearnt(
            why=f"on its own held-back frames the figure is {state.held_back:.3f}, the base has "
            f"{state.held_back_base:.3f}"
        )
    weights = task.folder / "trained.safetensors"
    checkpoint.write_weights(weights, last.weights)
    held_back = state.held_back if state.held_back is None or math.isfinite(state.held_back) else None
    return Trained(weights, state.samples, state.steps, held_back)


def _good(task: TrainingTask, state: checkpoint.TrainingState) -> bool:
    """Not clearly worse than the base. A base that was never measured (the process was killed) stops
    nothing."""
    if state.held_back is None or state.held_back_base is None:
        return True
    if kinds.of(task.round.task, task.round.input.sample).states[2] == "higher":
        return 1 - state.held_back <= (1 - state.held_back_base) * WORSE
    return state.held_back <= state.held_back_base * WORSE
