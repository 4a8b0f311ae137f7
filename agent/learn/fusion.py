"""Fusing contributions into the next round's weights, by a named rule (PROTOCOL section 8).

The same base, deltas and weights give the same bytes on every machine, so a round can be built again from
its lineage. Therefore: float64 throughout, nothing but element-wise IEEE operations, sums in an order that is
written here (`ordered_sum`) rather than left to a vector library, weights exact until the last moment.

Rules come in three kinds. A *coordinate* rule looks at each number by itself. A *share* rule finds one
coefficient per contribution and takes the weighted sum; what it needs to know of the contributions is all in
the small matrix of their inner products. The *composite* mixes each contribution with its nearest ones, then trims
each number; every contribution has one voice, whatever its weight.

Robust rules: coordinate median and trimmed mean (Yin et al. 2018), geometric median (Pillutla et al. 2019),
centred clipping (Karimireddy et al. 2021), multi-Krum (Blanchard et al. 2017), nearest-neighbour mixing (Allouah et
al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from agent.core.ids import CidText
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.learn.weights import Weights, same_shape

Vector = NDArray[np.float64]
Weight = Fraction | Decimal | int | float

WEISZFELD_STEPS = 32
CLIPPING_STEPS = 5
TRIMMED_SHARE = 5
"""A trimmed mean leaves out one in five at either end, and at least one."""
COMPOSITE = "composite"
AT_ONCE, PRODUCTS_AT_ONCE = 1 << 13, 1 << 17
"""Numbers of each contribution that are mixed at once; products that are summed at once."""


class UnknownRule(Refused):
    """The fusion rule {what} was refused: {why}. The rules are composite, weighted-mean, coordinate-median,
    trimmed-mean, geometric-median, centred-clipping and multi-krum."""


@dataclass(frozen=True, slots=True)
class Momentum:
    """A share of the step that led to the base, taken once more: what vehicles on different roads pull apart in one
    round, several rounds agree on (FedAvgM, Hsu et al. 2019)."""

    share: Decimal
    before: Weights
    """The weights that the base was fused from."""

    @classmethod
    def of(cls, round_: Round, weights: Callable[[CidText], Weights]) -> Momentum | None:
        """A round's; `weights`: another's. A first round, and a restored one, follow from no step."""
        if not (round_.momentum and round_.lineage and round_.previous):
            return None
        return cls(round_.momentum, weights(round_.previous))


@dataclass(frozen=True, slots=True)
class Taken:
    """How a fused step is taken: chosen on the global set, and written into the round so that it can be rebuilt."""

    step: Fraction = Fraction(1)
    """How much of it: vehicles on different roads overshoot together."""
    strangers: Fraction = Fraction(0)
    """The share of contributions, rounded down, that the composite withstands: each is mixed with its nearest but so
    many, and of each number so many are left out at either end. 0: the mean. Other rules pass it over."""

    @classmethod
    def of(cls, step: Decimal | None, strangers: Decimal | None) -> Taken:
        """As a round says it."""
        return cls(Fraction(1) if step is None else Fraction(step), Fraction(strangers or 0))

    @property
    def step_said(self) -> Decimal | None:
        return None if self.step == 1 else _decimal(self.step)

    @property
    def strangers_said(self) -> Decimal | None:
        return _decimal(self.strangers) if self.strangers else None


WHOLE = Taken()


def _decimal(share: Fraction) -> Decimal:
    return Decimal(share.numerator) / share.denominator


def fuse(
    rule: str,
    base: Weights,
    deltas: Sequence[Weights],
    weights: Sequence[Weight],
    momentum: Momentum | None = None,
    taken: Taken = WHOLE,
) -> dict[str, NDArray[np.float32]]:
    """The next round's weights, float32, with the base's names and shapes.

    `deltas` are differences to `base`, `weights` their shares: not negative, not all nought, any sum. Raises
    UnknownRule, or Malformed when names, shapes or values do not fit.
    """
    return Fusing(rule, base, deltas, weights, momentum).weights(taken)


class Fusing:
    """Contributions that are fused in more than one way: what does not hang on the way is found once. Takes and raises
    what `fuse` does."""

    def __init__(
        self,
        rule: str,
        base: Weights,
        deltas: Sequence[Weights],
        weights: Sequence[Weight],
        momentum: Momentum | None = None,
        products: Vector | None = None,
    ) -> None:
        """`products`: the deltas' `inner_products` where they are known already."""
        known(rule)
        _check(base, deltas, weights)
        if momentum is not None:
            same_shape(momentum.before, base, "the weights before")
        total = sum((Fraction(weight) for weight in weights), Fraction(0))
        self._rule, self._base, self._deltas, self._momentum = rule, base, deltas, momentum
        self._shares = [Fraction(weight) / total for weight in weights]
        self._known_products = products
        self._found: dict[int, dict[str, Vector]] = {}
        """The whole step before momentum, by the number of strangers it withstands."""

    def __repr__(self) -> str:
        return f"<Fusing {len(self._deltas)} by {self._rule}>"

    def weights(self, taken: Taken = WHOLE) -> dict[str, NDArray[np.float32]]:
        strangers = int(taken.strangers * len(self._deltas)) if self._rule == COMPOSITE else 0
        if strangers not in self._found:
            self._found[strangers] = self._combined(strangers)
        step, share = self._found[strangers], float(taken.step)
        return {
            name: (_wide(array) + share * (step[name] + self._drift(name))).astype(np.float32)
            for name, array in self._base.items()
        }

    def _combined(self, strangers: int) -> dict[str, Vector]:
        if self._rule == COMPOSITE:
            near = _nearest(self._products(), strangers) if strangers else []
            return {name: _mixed_and_trimmed(self._of(name), near, strangers) for name in self._base}
        if self._rule in SHARE_RULES:
            products = self._products() if self._rule in OF_PRODUCTS else _NONE
            coefficients = SHARE_RULES[self._rule](products, self._shares)
            return {name: _weighted_sum(self._of(name), coefficients) for name in self._base}
        by_number = COORDINATE_RULES[self._rule]
        return {name: by_number(np.stack(self._of(name)), self._shares) for name in self._base}

    def _of(self, name: str) -> list[Vector]:
        return [_wide(delta[name]) for delta in self._deltas]

    def _products(self) -> Vector:
        if self._known_products is None:
            self._known_products = inner_products(self._deltas)
        return self._known_products

    def _drift(self, name: str) -> Vector | float:
        if self._momentum is None:
            return 0.0
        return float(self._momentum.share) * (_wide(self._base[name]) - _wide(self._momentum.before[name]))


def known(rule: str) -> None:
    """Raises UnknownRule unless `fuse` knows this name."""
    if rule != COMPOSITE and rule not in SHARE_RULES and rule not in COORDINATE_RULES:
        raise UnknownRule(what=rule, why="this version of Milepost does not know it")


# --- share rules: the inner products (n x n) and the shares in, one coefficient a contribution out ----------


def _weighted_mean(products: Vector, shares: Sequence[Fraction]) -> list[float]:
    return [float(share) for share in shares]


def _geometric_median(products: Vector, shares: Sequence[Fraction]) -> list[float]:
    """Weiszfeld's iteration, a fixed number of steps, smoothed so that it may land on a contribution."""
    coefficients = [float(share) for share in shares]
    floor = 1e-6 * math.sqrt(max(_diagonal(products))) or 1.0
    for _ in range(WEISZFELD_STEPS):
        pulls = [
            float(share) / max(distance, floor)
            for share, distance in zip(shares, _distances(products, coefficients), strict=True)
        ]
        whole = _in_order(pulls)
        coefficients = [pull / whole for pull in pulls]
    return coefficients


def _centred_clipping(products: Vector, shares: Sequence[Fraction]) -> list[float]:
    """From the base on: each contribution pulls as far as the median one does, and no further."""
    radius = sorted(math.sqrt(square) for square in _diagonal(products))[len(shares) // 2]
    coefficients = [0.0] * len(shares)
    for _ in range(CLIPPING_STEPS):
        distances = _distances(products, coefficients)
        steps = [
            float(share) * (1.0 if distance <= radius else radius / distance)
            for share, distance in zip(shares, distances, strict=True)
        ]
        rest = 1.0 - _in_order(steps)
        coefficients = [rest * old + step for old, step in zip(coefficients, steps, strict=True)]
    return coefficients


def _multi_krum(products: Vector, shares: Sequence[Fraction]) -> list[float]:
    """The mean of the n - f contributions that lie closest to their neighbours, f = (n - 3) / 2."""
    count = len(shares)
    strangers = max(0, (count - 3) // 2)
    scores: list[tuple[float, int]] = []
    for i in range(count):
        squares = sorted(
            max(0.0, float(products[i, i] + products[j, j] - 2.0 * products[i, j])) for j in range(count) if j != i
        )
        scores.append((_in_order(squares[: max(1, count - strangers - 2)]), i))
    chosen = {i for _, i in sorted(scores)[: count - strangers]}
    whole = sum((shares[i] for i in chosen), Fraction(0))
    if not whole:
        return _weighted_mean(products, shares)
    return [float(share / whole) if i in chosen else 0.0 for i, share in enumerate(shares)]


SHARE_RULES: dict[str, Callable[[Vector, Sequence[Fraction]], list[float]]] = {
    "weighted-mean": _weighted_mean,
    "geometric-median": _geometric_median,
    "centred-clipping": _centred_clipping,
    "multi-krum": _multi_krum,
}

OF_PRODUCTS = SHARE_RULES.keys() - {"weighted-mean"}
_NONE = np.zeros((0, 0))

# --- the composite: nearest neighbours mixed, then each number trimmed ---------------------------------------


def _nearest(products: Vector, strangers: int) -> list[list[int]]:
    """For each contribution itself and those nearest to it, all but `strangers`, in order."""
    count = len(products)
    square = _diagonal(products)
    near = []
    for i in range(count):
        by_distance = sorted((square[i] + square[j] - 2.0 * float(products[i, j]), j) for j in range(count) if j != i)
        near.append(sorted([i, *(j for _, j in by_distance[: count - strangers - 1])]))
    return near


def _mixed_and_trimmed(arrays: Sequence[Vector], near: Sequence[Sequence[int]], strangers: int) -> Vector:
    """The mean of each number's middle values, `strangers` left out at either end. A few thousand numbers at a time:
    they stay in the processor's cache."""
    if not strangers:
        return _mean(arrays)
    rows = np.stack([array.ravel() for array in arrays])
    middle = np.empty(rows.shape[1])
    for start in range(0, len(middle), AT_ONCE):
        part = rows[:, start : start + AT_ONCE]
        mixed = np.stack([_mean(part[j] for j in row) for row in near])
        ranked = np.sort(np.ascontiguousarray(mixed.T), axis=1).T  # much faster along what lies together
        middle[start : start + AT_ONCE] = _mean(np.ascontiguousarray(ranked[strangers : len(rows) - strangers]))
    return middle.reshape(arrays[0].shape)


def _mean(arrays: Iterable[Vector]) -> Vector:
    rows = list(arrays)
    total = np.zeros(rows[0].shape)
    for row in rows:
        total += row
    total /= len(rows)
    return total


# --- coordinate rules: a stack (n, ...) and the shares in, one array (...) out ------------------------------


def _coordinate_median(stack: Vector, shares: Sequence[Fraction]) -> Vector:
    """The weighted median; halfway between two where the weights are split evenly."""
    unit = np.array([round(share * 2**40) for share in shares], dtype=np.int64)
    order = np.argsort(stack, axis=0, kind="stable")
    ranked = np.take_along_axis(stack, order, axis=0)
    below = np.cumsum(unit[order], axis=0)
    total = int(unit.sum())
    low = np.argmax(2 * below >= total, axis=0)[np.newaxis]
    high = np.argmax(2 * below > total, axis=0)[np.newaxis]
    lower, upper = np.take_along_axis(ranked, low, axis=0)[0], np.take_along_axis(ranked, high, axis=0)[0]
    middle: Vector = 0.5 * (lower + upper)
    return middle


def _trimmed_mean(stack: Vector, shares: Sequence[Fraction]) -> Vector:
    """The weighted mean without the extremes; with fewer than three contributions there are none."""
    count = len(shares)
    cut = max(1, count // TRIMMED_SHARE) if count >= 3 else 0
    order = np.argsort(stack, axis=0, kind="stable")[cut : count - cut]
    kept = np.take_along_axis(stack, order, axis=0)
    share = np.array([float(share) for share in shares])[order]
    numerator, denominator = np.zeros(stack.shape[1:]), np.zeros(stack.shape[1:])
    for values, weights in zip(kept, share, strict=True):
        numerator = numerator + values * weights
        denominator = denominator + weights
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


COORDINATE_RULES: dict[str, Callable[[Vector, Sequence[Fraction]], Vector]] = {
    "coordinate-median": _coordinate_median,
    "trimmed-mean": _trimmed_mean,
}

# --- arithmetic in a written order --------------------------------------------------------------------------


def ordered_sum(values: Vector) -> float:
    """The sum by halving: the upper half is added onto the lower until one number is left. Only element-wise
    additions, so every IEEE machine gets the same bits, and the error grows with log n."""
    return float(_ordered_sums(values.reshape(1, -1).copy())[0])


def _ordered_sums(rows: Vector) -> Vector:
    """`ordered_sum` of each row, in the place of the rows."""
    if not rows.shape[1]:
        return np.zeros(len(rows))
    while rows.shape[1] > 1:
        half = (rows.shape[1] + 1) // 2
        rows[:, : rows.shape[1] - half] += rows[:, half:]
        rows = rows[:, :half]
    return rows[:, 0]


def inner_products(deltas: Sequence[Weights]) -> Vector:
    """The matrix of inner products of whole contributions, names in sorted order."""
    count = len(deltas)
    products = np.zeros((count, count))
    for name in sorted(deltas[0]):
        rows = np.stack([_wide(delta[name]).ravel() for delta in deltas])
        many = max(1, PRODUCTS_AT_ONCE // max(1, rows.shape[1]))
        for i in range(count):
            for start in range(0, i + 1, many):
                those = slice(start, min(i + 1, start + many))
                products[i, those] += _ordered_sums(rows[those] * rows[i])
    for i in range(count):
        products[: i + 1, i] = products[i, : i + 1]
    return products


def _distances(products: Vector, coefficients: Sequence[float]) -> list[float]:
    """How far each contribution lies from the weighted sum of all, from inner products alone."""
    count = len(coefficients)
    towards = [_in_order(coefficients[j] * float(products[i, j]) for j in range(count)) for i in range(count)]
    square = _in_order(coefficient * value for coefficient, value in zip(coefficients, towards, strict=True))
    return [math.sqrt(max(0.0, float(products[i, i]) - 2.0 * towards[i] + square)) for i in range(count)]


def _weighted_sum(arrays: Sequence[Vector], coefficients: Sequence[float]) -> Vector:
    total = np.zeros(arrays[0].shape)
    for array, coefficient in zip(arrays, coefficients, strict=True):
        total = total + array * coefficient
    return total


def _in_order(values: Iterable[float]) -> float:
    """Left to right; `sum` compensates on newer Pythons and would round differently."""
    total = 0.0
    for value in values:
        total += value
    return total


def _diagonal(products: Vector) -> list[float]:
    return [float(products[i, i]) for i in range(len(products))]


def _wide(array: NDArray[np.float32]) -> Vector:
    return array.astype(np.float64)


def _check(base: Weights, deltas: Sequence[Weights], weights: Sequence[Weight]) -> None:
    if not deltas or len(deltas) != len(weights):
        raise Malformed(what="a fusion", why=f"{len(deltas)} contributions with {len(weights)} weights")
    if any(not math.isfinite(weight) or weight < 0 for weight in weights) or not any(weights):
        raise Malformed(what="a fusion", why="weights must be finite, not negative and not all nought")
    for delta in deltas:
        same_shape(delta, base, "a fusion")
        if not all(np.isfinite(array).all() for array in delta.values()):
            raise Malformed(what="a fusion", why="a contribution holds a value that is not finite")
