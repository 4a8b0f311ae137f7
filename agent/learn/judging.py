"""A roll judged together: who is fused, what each adds, who forfeits (PROTOCOL, Review).

The credit of an entry is the mean fall of the loss on the global set G when its update joins those that came before
it (`learn.credit`), at the step that the round takes: what all overshoot by together is nobody's harm. Updates that say
the same (`screening.ALIKE`) share what one of them is paid.

Nothing here reads a clock, a file or a random number: the same roll gives the same answer wherever scores are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agent.core.documents import Outcome
from agent.core.fields import MOST_CREDIT
from agent.core.ids import StakeId
from agent.core.money import UNIT, Stroops
from agent.learn.credit import PUBLIC, adds, clipped, credited, public, shares
from agent.learn.fusion import COMPOSITE, Fusing, Momentum, Taken
from agent.learn.losses import ALL, ERRORS, Losses, Score, falls, mean_and_error
from agent.learn.screening import screen
from agent.learn.weights import Weights, narrow, wide

Watch = Callable[[Weights, Sequence[Weights]], Sequence[str]]
"""A candidate and the updates in it: for each why it looks like a backdoor's, or ''."""
Vector = NDArray[np.float64]

CUT = 2.0
"""Times the roll's measure of length: what an update is cut to before it is paid."""
PLAIN_HARM = 1.5
"""Times the loss of the base, or of a network of noughts where that is greater: what forfeits by its harm alone is
beyond it. A car that learnt one U-turn by heart makes a good network worse than none, and is honest: a quarter of what
it did does not."""
STRANGERS = (Fraction(1, 5), Fraction(3, 10))
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
    candidate: NextRound | None = field(repr=False, compare=False)
    """The next round if it closed with this roll; None: however its updates are fused, it is no better."""


@dataclass(frozen=True, slots=True)
class NextRound:
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
    roll = _Roll(base, entries, score, rules, private, root, last_step)
    fused, heard = roll.fused(watch)
    closes = fused is not None and falls(roll.at_base, fused.losses)
    after = fused.losses if fused is not None and closes else roll.at_base
    gains, errors, paid = roll.pay(fused, heard, seed, last_step)
    paid = paid if closes else np.zeros_like(paid)
    pledge = min(rules.pledge, rules.voice * len(heard))
    credits = credited(paid, float(roll.at_base.mean() - after.mean()), rules.gain_reference, pledge)
    judged: list[JudgedEntry] = []
    for i, one in enumerate(roll.turn):
        if i not in heard:
            judged.append(roll.left_out(i, len(heard)))
            continue
        at = heard.index(i)
        gain, error, credit = float(gains[at]), float(errors[at]), credits[at]
        reason = f"it lowers the loss on the global set by {gain:.3g}, give or take {error:.1g}"
        judged.append(JudgedEntry(one.entry, "accepted" if credit else "idle", credit, gain, error, closes, reason))
    return JudgedRoll(tuple(judged), float(roll.at_base.mean()), float(after.mean()), fused if closes else None)


class _Roll:
    """What is known of a roll while it is judged: `why` grows as updates are left out."""

    def __init__(
        self,
        base: Weights,
        entries: Sequence[RollEntry],
        score: Score,
        rules: Rules,
        private: Score | None,
        root: Weights | None,
        last_step: Weights | None,
    ) -> None:
        self.base, self.score, self.rules = base, score, rules
        self.turn = sorted(entries, key=lambda one: (one.ledger, one.entry))
        self.updates = [wide(one.update) for one in self.turn]
        self.at_base = score(base, ALL)
        self.sets = [(score, self.at_base), *([(private, private(base, ALL))] if private is not None else [])]
        """The global set, and the private one, each with its losses of the base."""
        alone = [] if root is not None else [self._with(update / len(self.turn)) for update in self.updates]
        by_each = [float((self.at_base - losses).mean()) for losses in alone]
        self.screened = screen([one.update for one in self.turn], root, last_step, by_each)
        self.why = list(self.screened.why)
        """For each update why it is left out, or ''."""
        self.voices = max(1, self.why.count(""))
        for i in [i for i, reason in enumerate(self.why) if not reason and root is None]:
            share = self.updates[i] / self.voices
            whole = alone[i] if self.voices == len(self.turn) else self._with(share)
            if _harms(share, whole, base, score, self.at_base, rules.tolerance):
                self.why[i] = "the loss on the global set rises by it alone"
        noughts = {name: np.zeros_like(value) for name, value in base.items()}
        self._knows_nothing = cache(lambda number: self.sets[number][0](noughts, ALL))

    def _with(self, change: Vector) -> Losses:
        return self.score(_added(self.base, change), ALL)

    def fused(self, watch: Watch | None) -> tuple[NextRound | None, list[int]]:
        """(the next round's weights as they might be, whose updates are in them), without those that `watch` names."""
        candidate, heard = self._together()
        if candidate is None or watch is None:
            return candidate, heard
        found = watch(candidate.weights, [self.turn[i].update for i in heard])
        for i, reason in zip(heard, found, strict=True):
            self.why[i] = reason
        return self._together() if any(found) else (candidate, heard)

    def _together(self) -> tuple[NextRound | None, list[int]]:
        heard = [i for i, reason in enumerate(self.why) if not reason]
        if not heard:
            return None, heard
        deltas, products = [self.turn[i].update for i in heard], self.screened.products[np.ix_(heard, heard)]
        rules = self.rules
        fusing = Fusing(rules.fusion, self.base, deltas, [1] * len(heard), rules.momentum, products)
        return best(fusing.weights, self.score, rules.fusion, self.at_base), heard

    def pay(
        self, fused: NextRound | None, heard: Sequence[int], seed: bytes, last_step: Weights | None
    ) -> tuple[Vector, Vector, Vector]:
        """For each that is heard: what it adds, the error of that, and what is paid of it; losses on G."""
        step = 1.0 if fused is None else float(fused.taken.step)
        most = CUT * self.screened.measure
        parts = [step * clipped(self.updates[i], self.screened.lengths[i], most) for i in heard]
        known = None if fused is None else (fused.weights, fused.losses)
        gains, errors = shares(adds(self.base, parts, self.score, self.at_base, seed, known))
        paid = gains
        if last_step is not None:
            paid = np.minimum(paid, PUBLIC * (gains - public(self.base, parts, last_step, self.score, self.at_base)))
        for on, before in self.sets[1:]:
            theirs = [mean_and_error(row) for row in adds(self.base, parts, on, before, seed)]
            paid = np.minimum(paid, [mean + ERRORS * error for mean, error in theirs])
        paid = np.where((gains > ERRORS * errors) & (paid > 0.0), paid, 0.0)
        return gains, errors, paid / self.screened.voices(heard)

    def left_out(self, i: int, heard: int) -> JudgedEntry:
        """What becomes of an update that is not fused; `heard`: how many are."""
        reason, is_rejected = self.why[i], self.screened.same[i]
        share = self.updates[i] / self.voices
        if len(self.sets) > 1 and _plainly_harms(share, self.base, self.sets, self._knows_nothing):
            reason, is_rejected = f"worse than to know nothing, on the global set and on a private one: {reason}", True
        if self.screened.opposed[i]:
            joined = _added(self.base, self.updates[i] / max(1, heard))
            if any(_rises(on(joined, ALL), before, self.rules.tolerance) for on, before in self.sets):
                reason, is_rejected = f"the loss rises, and {reason}", True
        outcome: Outcome = "rejected" if is_rejected else "idle"
        return JudgedEntry(self.turn[i].entry, outcome, 0, 0.0, 0.0, False, reason)


def best(fused: Callable[[Taken], Weights], score: Score, rule: str, at_base: Losses) -> NextRound:
    """How updates are fused so that the loss surely falls most: by its mean less two standard errors. `fused` does it.

    How many strangers to withstand is chosen first, then the step: as few as G shows to be needed, since on different
    roads the honest lie apart too. A longer step is less sure. Where one that is sure to help is better than half of
    it, so it is than a quarter."""

    def tried(taken: Taken) -> NextRound:
        weights = fused(taken)
        return NextRound(taken, weights, score(weights, ALL))

    def surely(candidate: NextRound) -> float:
        with np.errstate(invalid="ignore"):
            gain, error = mean_and_error(at_base - candidate.losses)
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


def _added(base: Weights, change: Vector) -> Weights:
    return narrow(wide(base) + change, base)
