"""A roll judged together: who is fused, what each adds, who forfeits (PROTOCOL, Review).

The credit of an entry is the mean fall of the loss on the global set G when its update joins those that came before
it, over random orders and their reverses: Shapley's value of U(S) = -loss(base + step * the sum over S of update / m),
estimated as by Castro et al. 2009 with antithetic orders (Mitchell et al. 2022). `step` is the share of the fused step
that the round takes: what all overshoot by together is nobody's harm. Orders follow from a seed that nobody knew when
the updates were made. Each order is scored on a part of G, so that a roll costs as many scorings of G as it holds
entries, at least 32, and nine.

Nothing here reads a clock, a file or a random number: the same roll gives the same answer wherever scores are the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agent.core.documents import Outcome
from agent.core.fields import MOST_CREDIT
from agent.core.ids import StakeId
from agent.core.money import UNIT, Stroops
from agent.learn.fusion import COMPOSITE, Fusing, Momentum, Taken, ordered_sum
from agent.learn.screening import screen
from agent.learn.weights import Weights, flat, shaped

Losses = NDArray[np.float64]
Score = Callable[[Weights, slice], Losses]
"""Losses, one a sample, of weights on that part of a test set."""
Watch = Callable[[Weights, Sequence[Weights]], Sequence[str]]
"""A candidate and the updates in it: for each why it looks like a backdoor's, or ''."""
Vector = NDArray[np.float64]

PARTS = 8
"""Of G; each order is scored on one."""
SCORINGS = 32
"""Of G that a small roll is worth: each part is scored in so many orders as that allows."""
ERRORS = 2.0
"""Standard errors that a gain must exceed to count."""
CUT = 2.0
"""Times the roll's measure of length: what an update is cut to before it is paid."""
PLAIN_HARM = 1.5
"""Times the loss of the base, or of a network of noughts where that is greater: what forfeits by its harm alone is
beyond it. A car that learnt one U-turn by heart makes a good network worse than none, and is honest: a quarter of what
it did does not."""
ALL = slice(None)
STRANGERS = (Fraction(1, 5), Fraction(3, 10))
PUBLIC = 2.0
"""Nobody is paid more than so many times what an update adds beyond what is public."""
STEPS = (Fraction(1, 2), Fraction(1, 4))
"""Tried besides the whole step."""


@dataclass(frozen=True, slots=True)
class RollEntry:
    """An admitted entry of a roll."""

    ledger: int
    entry: StakeId
    """Its id: decides the order within a ledger."""
    update: Weights


@dataclass(frozen=True, slots=True)
class Rules:
    """The round's, as numbers."""

    tolerance: float
    """λ: an update harms where the loss exceeds loss(base) / λ."""
    gain_reference: float
    """The loss drop that earns 1.0 VLM."""
    pledge: Stroops
    """VLM that a roll's credits come to at most."""
    voice: Stroops = MOST_CREDIT * UNIT
    """VLM that they come to at most for each update that is fused: copies pledge nothing."""
    fusion: str = COMPOSITE
    momentum: Momentum | None = None


@dataclass(frozen=True, slots=True)
class JudgedEntry:
    """What becomes of one entry."""

    entry: StakeId
    outcome: Outcome
    credit: Stroops
    """VLM; more than 0 if accepted and only then."""
    gain: float
    """What it adds: loss on G. 0.0 where it is not fused."""
    error: float
    """Standard error of `gain`."""
    fused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedRoll:
    """A roll as judged, entries in the order of their ledgers, then of their ids."""

    entries: tuple[JudgedEntry, ...]
    before: float
    after: float
    """Loss on G of the base and of the next round's weights."""
    candidate: Candidate | None = field(repr=False, compare=False)
    """The next round if it closed with this roll; None: however its updates are fused, it is no better."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The next round's weights, as they might be."""

    taken: Taken
    weights: Weights = field(repr=False)
    losses: Losses = field(repr=False)
    """Losses on G."""


def judge_roll(
    base: Weights,
    entries: Sequence[RollEntry],
    score: Score,
    *,
    seed: bytes,
    rules: Rules,
    root: Weights | None = None,
    last_step: Weights | None = None,
    private: Score | None = None,
    watch: Watch | None = None,
) -> JudgedRoll:
    """`seed`: what the roll's record hashes to. `score` is on G, `private` on the validator's own set, which
    lowers a credit that G alone would give and never raises one. `watch` looks for backdoors. Without `root` who
    raises the loss by itself is left out. Whoever was left out forfeits where even a quarter of the update, as it would
    weigh, does plain harm on both sets."""
    turn = sorted(entries, key=lambda one: (one.ledger, one.entry))
    at_base = score(base, ALL)
    sets = [(score, at_base), *([(private, private(base, ALL))] if private is not None else [])]
    updates = [_wide(one.update) for one in turn]
    alone = [] if root is not None else [score(_added(base, update / len(turn)), ALL) for update in updates]
    by_each = [float((at_base - losses).mean()) for losses in alone]
    screened = screen([one.update for one in turn], root, last_step, by_each)
    why = list(screened.why)
    voices = max(1, why.count(""))
    for i in [i for i, reason in enumerate(why) if not reason and root is None]:
        share = updates[i] / voices
        whole = alone[i] if voices == len(turn) else score(_added(base, share), ALL)
        if _harms(share, whole, base, score, at_base, rules.tolerance):
            why[i] = "the loss on the global set rises by it alone"

    def together() -> Candidate | None:
        of = [i for i, reason in enumerate(why) if not reason]
        if not of:
            return None
        deltas, products = [turn[i].update for i in of], screened.products[np.ix_(of, of)]
        fusing = Fusing(rules.fusion, base, deltas, [1] * len(of), rules.momentum, products)
        return best(fusing.weights, score, rules.fusion, at_base)

    fused, heard = together(), [i for i, reason in enumerate(why) if not reason]
    if fused is not None and watch is not None:
        for i, reason in zip(heard, watch(fused.weights, [turn[i].update for i in heard]), strict=True):
            why[i] = reason
        if any(why[i] for i in heard):
            fused, heard = together(), [i for i in heard if not why[i]]
    closes = fused is not None and falls(at_base, fused.losses)
    after = fused.losses if fused is not None and closes else at_base

    step = 1.0 if fused is None else float(fused.taken.step)
    parts = [step * _clipped(updates[i], screened.lengths[i], CUT * screened.measure) for i in heard]
    gains, errors = shares(adds(base, parts, score, at_base, seed, fused))
    paid = gains
    if last_step is not None:
        paid = np.minimum(paid, PUBLIC * (gains - public(base, parts, last_step, score, at_base)))
    for on, before in sets[1:]:
        theirs = [_mean_and_error(row) for row in adds(base, parts, on, before, seed)]
        paid = np.minimum(paid, [mean + ERRORS * error for mean, error in theirs])
    paid = np.where((gains > ERRORS * errors) & (paid > 0.0) & closes, paid, 0.0)
    pledge = min(rules.pledge, rules.voice * len(heard))
    credits = _credits(paid, float(at_base.mean() - after.mean()), rules.gain_reference, pledge)

    noughts = {name: np.zeros_like(value) for name, value in base.items()}
    knows_nothing = cache(lambda number: sets[number][0](noughts, ALL))
    judged: list[JudgedEntry] = []
    for i, one in enumerate(turn):
        if i in heard:
            at = heard.index(i)
            gain, error, credit = float(gains[at]), float(errors[at]), credits[at]
            outcome: Outcome = "accepted" if credit else "idle"
            reason = f"it lowers the loss on the global set by {gain:.3g}, give or take {error:.1g}"
            judged.append(JudgedEntry(one.entry, outcome, credit, gain, error, closes, reason))
            continue
        reason, is_rejected = why[i], screened.same[i]
        if private is not None and _plainly_harms(updates[i] / voices, base, sets, knows_nothing):
            reason = f"worse than to know nothing, on the global set and on a private one: {reason}"
            is_rejected = True
        if screened.opposed[i]:
            joined = _added(base, updates[i] / max(1, len(heard)))
            if any(_rises(on(joined, ALL), before, rules.tolerance) for on, before in sets):
                reason, is_rejected = f"the loss rises, and {reason}", True
        outcome = "rejected" if is_rejected else "idle"
        judged.append(JudgedEntry(one.entry, outcome, 0, 0.0, 0.0, False, reason))
    return JudgedRoll(tuple(judged), float(at_base.mean()), float(after.mean()), fused if closes else None)


def best(fused: Callable[[Taken], Weights], score: Score, rule: str, at_base: Losses) -> Candidate:
    """How updates are fused so that the loss surely falls most: by its mean less two standard errors. `fused` does it.

    How many strangers to withstand is chosen first, then the step: as few as G shows to be needed, since on different
    roads the honest lie apart too. A longer step is less sure. Where one that is sure to help is better than half of
    it, so it is than a quarter."""

    def tried(taken: Taken) -> Candidate:
        weights = fused(taken)
        return Candidate(taken, weights, score(weights, ALL))

    def surely(candidate: Candidate) -> float:
        with np.errstate(invalid="ignore"):
            gain, error = _mean_and_error(at_base - candidate.losses)
        return gain - ERRORS * error if math.isfinite(error) else -math.inf

    whole = tried(Taken())
    for strangers in STRANGERS if rule == COMPOSITE else ():
        wary = tried(Taken(strangers=strangers))
        if falls(whole.losses, wary.losses):
            whole = wary
    found = whole
    for step in STEPS:
        shorter = tried(Taken(step, whole.taken.strangers))
        if surely(shorter) > surely(found):
            found = shorter
        elif surely(found) > 0.0:
            break
    return found


def falls(before: Losses, after: Losses) -> bool:
    """Whether the mean loss falls by more than two standard errors of the paired differences."""
    with np.errstate(invalid="ignore"):
        gain, error = _mean_and_error(before - after)
    return gain > ERRORS * error


def adds(
    base: Weights,
    parts: Sequence[Vector],
    score: Score,
    at_base: Losses,
    seed: bytes,
    fused: Candidate | None = None,
) -> Vector:
    """What each update adds, as a fall of the loss: (updates, samples), mean over orders. `parts`: the updates, as far
    as the round's step takes them. `fused`: what is scored already; all of them together often are just that."""
    count, samples, start = len(parts), len(at_base), _wide(base)
    slices, pairs = min(PARTS, samples), SCORINGS // max(1, count) // 2
    passes, row = max(1, 2 * pairs), 2 if pairs else 1  # an order and its reverse on one part, where so many are made
    ways = [part / count for part in parts]
    found = np.zeros((count, samples))
    known = {(part, frozenset[int]()): at_base[part::slices] for part in range(slices)}

    def scored(at: Vector, part: int, joined: frozenset[int]) -> Losses:
        if (part, joined) not in known:  # few entries make few coalitions, and many orders
            weights, of_part = _as(at, base), slice(part, None, slices)
            if len(joined) == count and fused is not None and _same(weights, fused.weights):
                known[part, joined] = fused.losses[of_part]
            else:
                known[part, joined] = score(weights, of_part)
        return known[part, joined]

    for number, order in zip(range(slices * passes), orders(seed, count), strict=False):
        part, joined = number // row % slices, frozenset[int]()
        at, before = start, known[part, joined]
        for one in order:
            at, joined = at + ways[one], joined | {one}
            after = scored(at, part, joined)
            with np.errstate(invalid="ignore"):  # infinite losses: such a gain is no number, and nobody is paid for it
                found[one, slice(part, None, slices)] += before - after
            before = after
    return found / passes


def shares(found: Vector) -> tuple[Vector, Vector]:
    """(updates, samples) → what each adds, and its standard error: two arrays, one number an update.

    Where all together gain beyond noise, an update's error is that of what it adds less its share of the whole: samples
    that are kind to everybody's work say nothing about one's (the ratio estimator, Cochran 1977, chapter 6). Else, and
    where it is alone, the error of what it adds."""
    means = np.array([_mean_and_error(row)[0] for row in found])
    with np.errstate(invalid="ignore"):
        whole, error = _mean_and_error(found.sum(axis=0)) if len(found) > 1 else (0.0, math.inf)
        if whole > ERRORS * error:
            found = found - np.outer(means / whole, found.sum(axis=0))
    return means, np.array([_mean_and_error(row)[1] for row in found])


def public(base: Weights, parts: Sequence[Vector], last_step: Weights, score: Score, at_base: Losses) -> Vector:
    """What anybody could have handed in of what each update adds: as much of the public step that led to the base as
    is in it, beyond what random directions of so few numbers have in common, times what one such step adds, no longer
    than others are and in the place of one (the mean of joining first and last). Nought where that gains nothing."""
    start, step, count = _wide(base), _wide(last_step), max(1, len(parts))
    lengths = [math.sqrt(ordered_sum(part * part)) for part in parts]
    length, median = math.sqrt(ordered_sum(step * step)), sorted(lengths)[(count - 1) // 2] if lengths else 0.0
    if not length or not median:
        return np.zeros(len(parts))
    step *= min(1.0, median / length)
    length = min(length, median)
    whole, one = start + sum(parts, np.zeros(start.shape)) / count, step / count
    first, before, last = (score(_as(at, base), ALL) for at in (start + one, whole - one, whole))
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


def _credits(paid: Vector, roll_gain: float, reference: float, pledge: Stroops) -> list[Stroops]:
    """Together never more than the roll gains, nor than the pledge."""
    whole = float(sum(paid.tolist()))
    if whole <= 0.0 or roll_gain <= 0.0:
        return [0] * len(paid)
    most = min(roll_gain / reference, whole / reference, pledge / UNIT)
    return [min(int(gain / whole * most * UNIT), MOST_CREDIT * UNIT) for gain in paid.tolist()]


def _rises(losses: Losses, before: Losses, tolerance: float) -> bool:
    return not losses.mean() <= before.mean() / tolerance  # also true for NaN


def _harms(share: Vector, whole: Losses, base: Weights, score: Score, at_base: Losses, tolerance: float) -> bool:
    """Whether an update, as it would weigh (`whole`: what it loses then), raises the loss beyond tolerance, and a
    quarter of it is no good either: who only takes too long a step is of use."""
    if not _rises(whole, at_base, tolerance):
        return False
    return not falls(at_base, score(_added(base, share * float(min(STEPS))), ALL))


def _plainly_harms(
    share: Vector, base: Weights, sets: Sequence[tuple[Score, Losses]], knows_nothing: Callable[[int], Losses]
) -> bool:
    """Whether even a quarter of what was left out, as it would weigh, does plain harm on both sets, each with its loss
    of the base. `knows_nothing`: losses of a network of noughts on a set."""
    little = _added(base, share * float(min(STEPS)))

    def harms(number: int, on: Score, before: Losses) -> bool:
        losses = on(little, ALL)
        return _rises(losses, before, 1.0 / PLAIN_HARM) and _rises(losses, knows_nothing(number), 1.0 / PLAIN_HARM)

    return all(harms(number, on, before) for number, (on, before) in enumerate(sets))


def _clipped(update: Vector, length: float, most: float) -> Vector:
    return update * min(1.0, most / length)


def _added(base: Weights, change: Vector) -> Weights:
    return _as(_wide(base) + change, base)


def _same(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(array, other[name]) for name, array in one.items())


def _as(row: Vector, like: Weights) -> Weights:
    return shaped(row.astype(np.float32), like)


def _wide(weights: Weights) -> Vector:
    return flat(weights).astype(np.float64)


def _mean_and_error(values: Losses) -> tuple[float, float]:
    if len(values) < 2 or not np.isfinite(values).all():
        return float(values.mean()), math.inf
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
