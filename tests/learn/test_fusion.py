"""Fusing contributions: what the rules mean, what they withstand, and that a rebuilt round has the same
bytes."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Malformed
from agent.learn.fusion import (
    COMPOSITE,
    COORDINATE_RULES,
    SHARE_RULES,
    Fusing,
    Momentum,
    Taken,
    UnknownRule,
    fuse,
    inner_products,
    ordered_sum,
)

RULES = [*SHARE_RULES, *COORDINATE_RULES, COMPOSITE]
WITHSTANDS = Taken(strangers=Fraction(1, 5))
ROBUST = [rule for rule in RULES if rule != "weighted-mean"]


def _weights(seed: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    # Integers over a power of two: the same float32 on every machine, whatever its libm does.
    return {
        "conv.weight": (rng.integers(-999, 999, (4, 3, 3, 3)) / 1024 * scale).astype(np.float32),
        "bias": (rng.integers(-999, 999, 7) / 1024 * scale).astype(np.float32),
    }


def _digest(weights: dict[str, np.ndarray]) -> str:
    sha = hashlib.sha256()
    for name in sorted(weights):
        sha.update(name.encode() + weights[name].tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("rule", RULES)
def test_what_is_fused_in_several_ways_has_the_bytes_of_each(rule: str) -> None:
    base, deltas = _weights(0), [_weights(i) for i in range(1, 8)]
    fusing = Fusing(rule, base, deltas, [1] * 7, products=inner_products(deltas))
    for taken in (WITHSTANDS, Taken(), Taken(Fraction(1, 2), WITHSTANDS.strangers), Taken(Fraction(1, 4))):
        assert _digest(fusing.weights(taken)) == _digest(fuse(rule, base, deltas, [1] * 7, taken=taken))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1001])
def test_inner_products_are_ordered_sums(size: int) -> None:
    rows = np.random.default_rng(size).normal(size=(5, size)).astype(np.float32)
    products = inner_products([{"w": row} for row in rows])
    wide = rows.astype(np.float64)
    assert products.tolist() == [[ordered_sum(one * other) for other in wide] for one in wide]


@pytest.mark.parametrize("rule", RULES)
def test_when_all_agree_every_rule_gives_what_they_agree_on(rule: str) -> None:
    base, delta = _weights(0), _weights(1)
    fused = fuse(rule, base, [delta] * 5, [1, 2, 3, 4, 5])
    for name in base:
        assert fused[name].dtype == np.float32
        np.testing.assert_allclose(fused[name], base[name] + delta[name], atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("weighted-mean", "5bb5082651da39a8"),
        ("geometric-median", "ad699bef8a63ef69"),
        ("centred-clipping", "1b4352f26eca5ea7"),
        ("multi-krum", "0388d9695a4d7a3a"),
        ("coordinate-median", "9543e5c24a56c069"),
        ("trimmed-mean", "48480a85109f7c18"),
        ("composite", "88513d41943c9de3"),
    ],
)
def test_a_round_built_again_has_the_same_bytes_on_every_machine(rule: str, expected: str) -> None:
    weights = [Fraction(i, 7) for i in range(1, 8)]
    fused = fuse(rule, _weights(0), [_weights(i) for i in range(1, 8)], weights, taken=WITHSTANDS)
    assert _digest(fused) == expected


@pytest.mark.parametrize("rule", ROBUST)
def test_one_hostile_contribution_in_five_does_not_carry_the_round_away(rule: str) -> None:
    base, honest = _weights(0), _weights(1)
    rng = np.random.default_rng(5)
    deltas = [
        {name: array + 0.01 * rng.standard_normal(array.shape).astype(np.float32) for name, array in honest.items()}
        for _ in range(4)
    ]
    hostile = {name: -1000 * array for name, array in honest.items()}
    fused = fuse(rule, base, [*deltas, hostile], [1] * 5, taken=WITHSTANDS)
    distance = max(float(np.abs(fused[n] - base[n] - honest[n]).max()) for n in base)
    assert distance < 0.6, f"{rule} moved by {distance}"


def test_weights_count_in_the_mean_and_in_the_median() -> None:
    base = {"w": np.zeros(1, np.float32)}
    deltas = [{"w": np.array([value], np.float32)} for value in (0.0, 1.0, 4.0)]
    assert fuse("weighted-mean", base, deltas, [1, 1, 2])["w"] == 2.25
    assert fuse("coordinate-median", base, deltas, [1, 1, 1])["w"] == 1
    assert fuse("coordinate-median", base, deltas, [1, 1, 3])["w"] == 4
    assert fuse("coordinate-median", base, deltas, [1, 1, 2])["w"] == 2.5
    assert fuse("trimmed-mean", base, deltas, [1, 1, 3])["w"] == 1


@pytest.mark.parametrize("rule", RULES)
def test_momentum_takes_a_share_of_the_last_step_once_more(rule: str) -> None:
    before, base, delta = (_weights(seed) for seed in range(3))
    plain = fuse(rule, base, [delta] * 5, [1] * 5)
    moving = fuse(rule, base, [delta] * 5, [1] * 5, Momentum(Decimal("0.25"), before))
    for name, array in plain.items():
        assert np.allclose(moving[name], array + 0.25 * (base[name] - before[name]), atol=1e-5)
    with pytest.raises(Malformed):
        fuse(rule, base, [delta], [1], Momentum(Decimal("0.25"), {"bias": base["bias"]}))


def test_names_shapes_values_and_weights_that_do_not_fit_are_refused() -> None:
    base = _weights(0)
    wrong_shape = {**_weights(1), "bias": np.zeros(8, np.float32)}
    poisoned = {**_weights(1), "bias": np.full(7, np.nan, np.float32)}
    for deltas, weights in (
        ([], []),
        ([_weights(1)], [1, 2]),
        ([_weights(1)], [0]),
        ([_weights(1)], [-1]),
        ([_weights(1)], [float("nan")]),
        ([{"bias": base["bias"]}], [1]),
        ([wrong_shape], [1]),
        ([poisoned], [1]),
    ):
        with pytest.raises(Malformed):
            fuse("weighted-mean", base, deltas, weights)
    with pytest.raises(UnknownRule, match="majority-vote"):
        fuse("majority-vote", base, [_weights(1)], [1])


def test_a_round_may_take_half_of_the_fused_step() -> None:
    base, delta = _weights(0), _weights(1)
    fused = fuse("composite", base, [delta] * 3, [1] * 3, taken=Taken(step=Fraction(1, 2)))
    for name in base:
        np.testing.assert_allclose(fused[name], base[name] + delta[name] / 2, atol=1e-6)


def test_in_the_composite_each_has_one_voice_whatever_its_weight() -> None:
    base, deltas = _weights(0), [_weights(i) for i in range(1, 8)]
    one, other = (fuse("composite", base, deltas, weights, taken=WITHSTANDS) for weights in ([1] * 7, range(1, 8)))
    assert _digest(one) == _digest(other)


@given(st.lists(st.integers(-(2**20), 2**20), max_size=70))
def test_the_ordered_sum_of_whole_numbers_is_exact(values: list[int]) -> None:
    assert ordered_sum(np.array(values, dtype=np.float64)) == sum(values)
