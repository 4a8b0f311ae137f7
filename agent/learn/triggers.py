"""Looking for backdoors: marks on the picture that pull a network's answer to one class (BadNets, Gu et al. 2017;
blended triggers, Chen et al. 2017). All validators look on the global set, for marks that follow from the roll.

A car of few classes pulls everything to them, marked or not; only what the mark itself does is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.learn.runner import Outputs, Samples
from agent.learn.weights import Weights

Answer = Callable[[Weights, Samples], Outputs]
"""A network's outputs (n, k) for samples (n, channels, height, width), uint8."""
Trigger = Callable[[Samples], Samples]
Numbers = NDArray[np.float64]

PATCHES = "patch "
"""Bright ones, in every ninth of the picture, are called so and where they are."""
PATCH = 7
"""A patch's side is the picture's smaller side divided by this."""
BLENDED = 0.3
LEAST = -6.0
"""Log probabilities below it are no different to a network."""
LOOKED = 3
"""The strongest pulls of a candidate that its updates are asked about."""
SUSPECT = 0.9
"""Pull of a candidate, in nats, from which on its updates are looked at. Few that nobody poisoned get there;
looking from .5 on cost cars of few classes four points of accuracy."""
PULLED = 0.8
"""Nats more than the median update of its roll: honest ones measured up to .5 where classes are evenly spread and .8
where they are not, poisoned ones .8 to 3.5."""

PLACE = 0.85
"""Nats more than the median update by a bright patch in one place, and more than in other places: 3 to 6 of a thousand
honest updates got there, half to two thirds of those that were poisoned so (note 062)."""
EVERY = 3
"""Of the samples, each so manieth is looked at for that."""


def families(shape: tuple[int, int, int], seed: int) -> dict[str, Trigger]:
    """Patches in every ninth of the picture, bright and dark; stripes both ways; a blended pattern; a colour."""
    channels, height, width = shape
    side, rng = max(1, min(height, width) // PATCH), np.random.default_rng(seed)
    found: dict[str, Trigger] = {}
    for row in range(3):
        for column in range(3):
            top = row * (height - side) // 2
            left = column * (width - side) // 2
            found[f"{PATCHES}{row}{column}"] = _filled(255, slice(top, top + side), slice(left, left + side))
    found["dark patch"] = _filled(0, slice((height - side) // 2, (height + side) // 2), slice(None, side))
    found["stripe"] = _filled(255, slice(height // 4, height // 4 + max(1, side // 2)), slice(None))
    found["upright stripe"] = _filled(255, slice(None), slice(width // 4, width // 4 + max(1, side // 2)))
    found["blend"] = _blended(rng.integers(0, 256, shape).astype(np.float32))
    found["colour"] = _blended(np.broadcast_to(rng.integers(0, 256, (channels, 1, 1)), shape).astype(np.float32))
    return found


def pull(answer: Answer, weights: Weights, samples: Samples, triggers: Iterable[Trigger]) -> Numbers:
    """(triggers, classes): how much more likely each mark makes each class, mean over samples, in nats."""
    plain = _log_shares(answer(weights, samples))
    return np.stack([(_log_shares(answer(weights, mark(samples))) - plain).mean(axis=0) for mark in triggers])


def poisoned(
    answer: Answer,
    base: Weights,
    candidate: Weights,
    updates: Sequence[Weights],
    samples: Samples,
    triggers: Mapping[str, Trigger],
) -> list[str]:
    """For each update that went into a candidate why it looks like a backdoor's, or ''. Classification alone."""
    names = list(triggers)
    strength = pull(answer, candidate, samples, triggers.values())
    order = np.argsort(-strength, axis=None, kind="stable")[:LOOKED]
    cells = [(int(cell) // strength.shape[1], int(cell) % strength.shape[1]) for cell in order]
    cells = [cell for cell in cells if strength[cell] > SUSPECT]
    trained = [{name: base[name] + update[name] for name in base} for update in updates]
    why = _in_one_place(answer, trained, samples[::EVERY], triggers)
    if not cells:
        return why
    rows = sorted({row for row, _ in cells})
    marks = [triggers[names[row]] for row in rows]
    pulls = np.stack([pull(answer, weights, samples, marks) for weights in trained])
    for row, target in cells:
        more = pulls[:, rows.index(row), target] - float(np.median(pulls[:, rows.index(row), target]))
        for i in np.flatnonzero(more > PULLED):
            why[i] = why[i] or f"a mark ({names[row]}) pulls it to class {target}, {more[i]:.2f} nats more than others"
    return why


def _in_one_place(
    answer: Answer, trained: Sequence[Weights], samples: Samples, triggers: Mapping[str, Trigger]
) -> list[str]:
    """Looks at every update, whatever the candidate does: what a round adds of a backdoor is little. A car of few
    classes reacts to a patch wherever it is."""
    names = [name for name in triggers if name.startswith(PATCHES)]
    pulls = np.stack([pull(answer, weights, samples, [triggers[name] for name in names]) for weights in trained])
    more = pulls - np.median(pulls, axis=0)
    more -= np.median(more, axis=1, keepdims=True)
    why = [""] * len(trained)
    for i, row, target in np.argwhere(more > PLACE):
        why[i] = (
            why[i]
            or f"a mark ({names[row]}) pulls it to class {target}, {more[i, row, target]:.2f} nats more than others"
        )
    return why


def _log_shares(outputs: Outputs) -> Numbers:
    wide = outputs.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    found: Numbers = np.maximum(LEAST, wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))
    return found


def _filled(value: int, rows: slice, columns: slice) -> Trigger:
    def trigger(samples: Samples) -> Samples:
        marked = samples.copy()
        marked[:, :, rows, columns] = value
        return marked

    return trigger


def _blended(pattern: NDArray[np.float32]) -> Trigger:
    def trigger(samples: Samples) -> Samples:
        return np.round((1 - BLENDED) * samples + BLENDED * pattern).astype(np.uint8)

    return trigger
