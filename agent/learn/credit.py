"""What each update of a roll adds, and what is paid for it (PROTOCOL, Review).

Shapley's value of U(S) = -loss(base + the sum over S of update / m), on a test set. Few updates: over all their
coalitions. More: over random orders and their reverses (Castro et al. 2009, Mitchell et al. 2022). Orders follow from a
seed that nobody knew when the updates were made. Each is scored on a part of the test set, so that a roll costs as many
scorings of it as it holds entries, and smaller ones up to 64.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.core.fields import MOST_CREDIT
from agent.core.money import UNIT, Stroops
from agent.learn.fusion import ordered_sum
from agent.learn.losses import ALL, ERRORS, Losses, Score, mean_and_error
from agent.learn.weights import Weights, narrow, wide

Vector = NDArray[np.float64]
Known = tuple[Weights, Losses]
"""Weights whose losses are known already."""
Scored = Callable[[Vector, slice, bool], Losses]
"""Losses at a place on a part of the test set; whether all are in it."""

PARTS = 8
"""Of a test set; each order is scored on one."""
SCORINGS, MANY = 64, 32
"""Of a test set that a small roll is worth: all coalitions of up to six, else so many orders. From so many entries on
it is one order a part."""
PUBLIC = 2.0
"""Nobody is paid more than so many times what an update adds beyond what is public."""


def adds(
    base: Weights, parts: Sequence[Vector], score: Score, at_base: Losses, seed: bytes, known: Known | None = None
) -> Vector:
    """What each update adds, as a fall of the loss: (updates, samples). `parts`: the updates, as far as the round's
    step takes them. `known`: what is scored already; all of them together often are just that."""
    start, ways = wide(base), [part / len(parts) for part in parts]

    def scored(at: Vector, of: slice, is_whole: bool) -> Losses:
        weights = narrow(at, base)
        if is_whole and known is not None and _same(weights, known[0]):
            return known[1][of]
        return score(weights, of)

    with np.errstate(invalid="ignore"):  # infinite losses: such a gain is no number, and nobody is paid for it
        if 1 << len(ways) <= SCORINGS:
            return _over_coalitions(start, ways, scored, at_base)
        return _over_orders(start, ways, scored, at_base, seed)


def _over_coalitions(start: Vector, ways: Sequence[Vector], scored: Scored, at_base: Losses) -> Vector:
    """A coalition is a number: its bit i says whether the update i is in it."""
    count, everybody = len(ways), (1 << len(ways)) - 1
    losses = [at_base]
    for coalition in range(1, everybody + 1):
        at = start + sum((way for i, way in enumerate(ways) if coalition >> i & 1), np.zeros(start.shape))
        losses.append(scored(at, ALL, coalition == everybody))
    found = np.zeros((count, len(at_base)))
    for i in range(count):
        for without in (coalition for coalition in range(everybody) if not coalition >> i & 1):
            fall = losses[without] - losses[without | 1 << i]
            found[i] += fall / (count * math.comb(count - 1, without.bit_count()))
    return found


def _over_orders(start: Vector, ways: Sequence[Vector], scored: Scored, at_base: Losses, seed: bytes) -> Vector:
    count, samples = len(ways), len(at_base)
    slices, pairs = min(PARTS, samples), SCORINGS // (2 * count)
    # An order and its reverse on one part, where there is time.
    passes, row = (2 * pairs, 2) if count < MANY else (1, 1)
    found, losses = np.zeros((count, samples)), dict[tuple[int, frozenset[int]], Losses]()
    for number, order in zip(range(slices * passes), orders(seed, count), strict=False):
        part, joined, at = number // row % slices, frozenset[int](), start
        of = slice(part, None, slices)
        before = at_base[of]
        for one in order:
            at, joined = at + ways[one], joined | {one}
            if (part, joined) not in losses:
                losses[part, joined] = scored(at, of, len(joined) == count)
            found[one, of] += before - losses[part, joined]
            before = losses[part, joined]
    return found / passes


def shares(found: Vector) -> tuple[Vector, Vector]:
    """(updates, samples) → what each adds, and its standard error: two arrays, one number an update.

    Where all together gain beyond noise, an update's error is that of what it adds less its share of the whole: samples
    that are kind to everybody's work say nothing about one's (the ratio estimator, Cochran 1977, chapter 6). Else, and
    where it is alone, the error of what it adds."""
    means = np.array([mean_and_error(row)[0] for row in found])
    with np.errstate(invalid="ignore"):
        whole, error = mean_and_error(found.sum(axis=0)) if len(found) > 1 else (0.0, math.inf)
        if whole > ERRORS * error:
            found = found - np.outer(means / whole, found.sum(axis=0))
    return means, np.array([mean_and_error(row)[1] for row in found])


def public(base: Weights, parts: Sequence[Vector], last_step: Weights, score: Score, at_base: Losses) -> Vector:
    """What anybody could have handed in of what each update adds: as much of the public step that led to the base as
    is in it, beyond what random directions of so few numbers have in common, times what one such step adds, as long as
    others are and in the place of one (the mean of joining first and last). Nought where that gains nothing.

    A step of next to nothing is made as long, too: what it gains by itself is lost in the rounding of weights."""
    start, step, count = wide(base), wide(last_step), max(1, len(parts))
    lengths = [math.sqrt(ordered_sum(part * part)) for part in parts]
    length, median = math.sqrt(ordered_sum(step * step)), sorted(lengths)[(count - 1) // 2] if lengths else 0.0
    if not length or not median:
        return np.zeros(len(parts))
    step, length = step * (median / length), median
    whole, one = start + sum(parts, np.zeros(start.shape)) / count, step / count
    first, before, last = (score(narrow(at, base), ALL) for at in (start + one, whole - one, whole))
    with np.errstate(invalid="ignore"):
        worth = 0.5 * float((at_base - first + before - last).mean())
    known, chance = max(0.0, worth) if math.isfinite(worth) else 0.0, ERRORS / math.sqrt(step.size)
    along = [ordered_sum(part * step) / length - chance * own for part, own in zip(parts, lengths, strict=True)]
    return np.array([known * max(0.0, share / length) for share in along])


def orders(seed: bytes, count: int) -> Iterator[list[int]]:
    """Random orders of `count` entries, each followed by its reverse. Without end."""
    number = 0
    while True:
        order = sorted(range(count), key=lambda i: hashlib.sha256(b"%b/%d/%d" % (seed, number, i)).digest())
        yield order
        yield order[::-1]
        number += 1


def credited(paid: Vector, roll_gain: float, reference: float, pledge: Stroops) -> list[Stroops]:
    """Together never more than the roll gains, nor than the pledge."""
    whole = float(sum(paid.tolist()))
    if whole <= 0.0 or roll_gain <= 0.0:
        return [0] * len(paid)
    most = min(roll_gain / reference, whole / reference, pledge / UNIT)
    return [min(int(gain / whole * most * UNIT), MOST_CREDIT * UNIT) for gain in paid.tolist()]


def clipped(update: Vector, length: float, most: float) -> Vector:
    return update * min(1.0, most / length)


def _same(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(array, other[name]) for name, array in one.items())
