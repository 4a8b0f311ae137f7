"""Who has a voice in a roll: looked at before anything is scored, from lengths and directions alone.

An update far shorter or longer than the roll's median, one that points as an earlier one (a copy, perhaps with noise),
and one that does not point where the initiator's own samples point are left out of the fusion. Nobody loses a
stake for that alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.learn.fusion import inner_products
from agent.learn.weights import Weights

SHORTEST, LONGEST = 0.1, 3.0
"""Times the roll's median length."""
COPY = 0.85
"""Above this cosine two updates were not trained on two drives: honest ones measured .79 at most, copies with noise of
two fifths of their length .92."""
SAME = 0.999
"""Above it nothing was trained at all."""
TOWARDS = 0.01
"""Cosine to the root update below which an update is left out: noise has 0 ± .006 in 25,000 numbers, less in more."""
AGAINST = -0.05
"""Below which it points against it."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What is known of a roll's updates, in the order they were given."""

    lengths: tuple[float, ...]
    median: float
    """The lower median of the lengths that are not nought; 0.0 where all are."""
    opposed: tuple[bool, ...]
    """Points against the root update. Without one nobody does."""
    same: tuple[bool, ...]
    """Is an earlier entry's, or the last public step, as it was."""
    why: tuple[str, ...]
    """Why it is left out, or ''."""
    products: NDArray[np.float64] = field(repr=False, compare=False)
    """The updates' inner products."""


def screen(updates: Sequence[Weights], root: Weights | None = None, last_step: Weights | None = None) -> Screen:
    """`updates`: in the order of the ledger, then of the entries' ids. `root`: the update that the initiator trained on
    samples of its own; `last_step`: the public step that led to the base. Empty where there are no updates."""
    if not updates:
        return Screen((), 0.0, (), (), (), np.zeros((0, 0)))
    known = [vector for vector in (root, last_step) if vector is not None]
    products = inner_products([*updates, *known])
    lengths = [math.sqrt(max(0.0, float(products[i, i]))) for i in range(len(products))]

    def cosine(i: int, j: int) -> float:
        whole = lengths[i] * lengths[j]
        return float(products[i, j]) / whole if whole else 0.0

    count = len(updates)
    spread = sorted(length for length in lengths[:count] if length)
    median = spread[(len(spread) - 1) // 2] if spread else 0.0
    opposed = tuple(root is not None and cosine(i, count) < AGAINST for i in range(count))
    step = None if last_step is None else len(products) - 1
    why, same = list[str](), list[bool]()
    for i in range(count):
        relative = lengths[i] / median if median else 0.0
        like = max((cosine(i, j) for j in range(i)), default=0.0)
        public = 0.0 if step is None else cosine(i, step)
        same.append(max(like, public) > SAME)
        if relative < SHORTEST or relative > LONGEST:
            why.append(f"its length is {relative:.3g} times the median of its roll")
        elif like > COPY:
            why.append(f"it points as an earlier entry does (cosine {like:.3f})")
        elif public > COPY:
            why.append(f"it points as the last public step does (cosine {public:.3f})")
        elif root is not None and cosine(i, count) < TOWARDS:
            why.append(f"it does not point as the root update does (cosine {cosine(i, count):.3f})")
        else:
            why.append("")
    return Screen(tuple(lengths[:count]), median, opposed, tuple(same), tuple(why), products[:count, :count])
