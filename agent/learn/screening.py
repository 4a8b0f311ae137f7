"""Who has a voice in a roll: looked at before anything is scored, from lengths and directions alone.

An update far shorter or longer than the roll's measure, one that points as an earlier one (a copy, perhaps with noise),
and one that does not point where the initiator's own samples point are left out of the fusion. Nobody loses a
stake for that alone.

The measure is a median, and whoever makes half of a roll makes its median: entries of next to nothing would leave
out all that is trained. So the root update bounds it, and without one who moves next to nothing does not count in it.
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
"""Times the roll's measure of length."""
ROOT_BOUNDS = 0.5, 2.0
"""Times the root update's length: what the measure lies between. Honest medians lie well within."""
NEXT_TO_NOTHING = 0.01
"""Of the best fall of the loss by one entry: who brings less does not count in the measure."""
COPY = 0.85
"""Above this cosine two updates were not trained on two drives: honest ones measured .79 at most, copies with noise of
two fifths of their length .92."""
SAME = 0.999
"""Above it nothing was trained at all."""
TOWARDS = 0.01
"""Cosine to the root update below which an update is left out: noise has 0 ± .006 in 25,000 numbers, less in more."""
AGAINST = -0.05
"""Below which it points against it."""
ALIKE = 0.55, 0.7
"""What two updates have in common beyond the root update (their partial correlation): two drives up to the first, one
drive from the second on. Measured (note 062): of a hundred honest pairs 95 below .57 where classes are very uneven, .47
where less, .55 where even; of accounts of one drive .5 to .9, and most above .65."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What is known of a roll's updates, in the order they were given."""

    lengths: tuple[float, ...]
    measure: float
    """Of length: the lower median of those that count; 0.0 where all updates are nought."""
    opposed: tuple[bool, ...]
    """Points against the root update. Without one nobody does."""
    same: tuple[bool, ...]
    """Is an earlier entry's, or the last public step, as it was."""
    why: tuple[str, ...]
    """Why it is left out, or ''."""
    products: NDArray[np.float64] = field(repr=False, compare=False)
    """The updates' inner products."""
    towards: tuple[float, ...] = ()
    """Cosine to the root update; empty without one."""

    def voices(self, of: Sequence[int]) -> list[float]:
        """How many of these updates say the same, for each: 1.0 where it stands alone, 6.0 where six accounts hand in
        one drive. 1.0 each without a root update: then nobody knows what all honest work has in common."""
        if not self.towards:
            return [1.0] * len(of)
        least, most = ALIKE
        shares = {(i, j): (self._alike(i, j) - least) / (most - least) for i in of for j in of if j < i}
        return [1.0 + sum(min(1.0, max(0.0, shares[max(i, j), min(i, j)])) for j in of if j != i) for i in of]

    def _alike(self, i: int, j: int) -> float:
        """The partial correlation of two updates given the root update; 0.0 of what is nought or all along it."""
        whole, one, other = self.lengths[i] * self.lengths[j], self.towards[i], self.towards[j]
        rest = (1.0 - one * one) * (1.0 - other * other)
        if not whole or rest <= 0.0:
            return 0.0
        return (float(self.products[i, j]) / whole - one * other) / math.sqrt(rest)


def screen(
    updates: Sequence[Weights],
    root: Weights | None = None,
    last_step: Weights | None = None,
    falls: Sequence[float] = (),
) -> Screen:
    """`updates`: in the order of the ledger, then of the entries' ids. `root`: the update that the initiator trained on
    samples of its own; `last_step`: the public step that led to the base; `falls`: of the loss, by each update alone,
    where there is no root. Empty where there are no updates."""
    if not updates:
        return Screen((), 0.0, (), (), (), np.zeros((0, 0)))
    known = [vector for vector in (root, last_step) if vector is not None]
    products = inner_products([*updates, *known])
    lengths = [math.sqrt(max(0.0, float(products[i, i]))) for i in range(len(products))]

    def cosine(i: int, j: int) -> float:
        whole = lengths[i] * lengths[j]
        return float(products[i, j]) / whole if whole else 0.0

    count = len(updates)
    measure = _measure(lengths[:count], None if root is None else lengths[count], falls)
    towards = () if root is None else tuple(cosine(i, count) for i in range(count))
    opposed = tuple(one < AGAINST for one in towards) if towards else (False,) * count
    step = None if last_step is None else len(products) - 1
    why, same = list[str](), list[bool]()
    for i in range(count):
        relative = lengths[i] / measure if measure else 0.0
        like = max((cosine(i, j) for j in range(i)), default=0.0)
        public = 0.0 if step is None else cosine(i, step)
        same.append(max(like, public) > SAME)
        if relative < SHORTEST or relative > LONGEST:
            why.append(f"its length is {relative:.3g} times the measure of its roll")
        elif like > COPY:
            why.append(f"it points as an earlier entry does (cosine {like:.3f})")
        elif public > COPY:
            why.append(f"it points as the last public step does (cosine {public:.3f})")
        elif towards and towards[i] < TOWARDS:
            why.append(f"it does not point as the root update does (cosine {towards[i]:.3f})")
        else:
            why.append("")
    return Screen(tuple(lengths[:count]), measure, opposed, tuple(same), tuple(why), products[:count, :count], towards)


def _measure(lengths: Sequence[float], root: float | None, falls: Sequence[float]) -> float:
    best = max((fall for fall in falls if math.isfinite(fall)), default=0.0)
    counts = [not falls or best <= 0.0 or falls[i] >= NEXT_TO_NOTHING * best for i in range(len(lengths))]
    spread = sorted(length for length, does in zip(lengths, counts, strict=True) if length and does)
    median = spread[(len(spread) - 1) // 2] if spread else 0.0
    return min(max(median, ROOT_BOUNDS[0] * root), ROOT_BOUNDS[1] * root) if root and median else median
