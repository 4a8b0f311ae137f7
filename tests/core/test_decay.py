"""The learning rate of a round, by what its model has achieved."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.decay import error, rate, started
from agent.core.round import Decay, Figure, Recipe

RECIPE = Recipe(steps=1, batch=1, learning_rate=Decimal("0.001"), minimum_samples=1)


def degrees(value: str) -> Figure:
    return Figure(name="rmse", unit="deg", better="lower", value=Decimal(value), samples=100)


def right(share: str) -> Figure:
    return Figure(name="accuracy", unit="share", better="higher", value=Decimal(share), samples=100)


def falling(power: str = "2", floor: str = "0.1", start: str | None = "12") -> Recipe:
    decay = Decay(power=Decimal(power), floor=Decimal(floor), start=None if start is None else Decimal(start))
    return RECIPE.model_copy(update={"decay": decay})


@pytest.mark.parametrize(
    ("figure", "share"),
    [("12", 1.0), ("6", 0.25), ("9", 0.5625), ("3", 0.1), ("0", 0.1), ("24", 1.0)],
    ids=[
        "where it began",
        "half the error",
        "three quarters",
        "below the floor",
        "nothing left",
        "worse than it began",
    ],
)
def test_half_the_error_is_a_quarter_of_the_rate(figure: str, share: float) -> None:
    assert rate(falling(), degrees(figure)) == pytest.approx(0.001 * share)


def test_what_a_share_lacks_is_its_error() -> None:
    assert error(right("0.95")) == Decimal("0.05")
    assert rate(falling("1", "0.01", "0.5"), right("0.95")) == pytest.approx(0.0001)


@pytest.mark.parametrize("recipe", [RECIPE, falling(start=None)], ids=["no decay", "no start"])
def test_a_round_that_says_nothing_of_it_has_the_recipes_rate(recipe: Recipe) -> None:
    assert rate(recipe, degrees("3")) == 0.001


def test_a_round_without_a_figure_has_the_recipes_rate() -> None:
    assert rate(falling(), None) == 0.001


@given(st.decimals(0, 10**8, places=6), st.decimals("0.01", 8, places=2), st.decimals("0.001", 1, places=3))
def test_the_rate_is_never_above_the_recipes_nor_below_its_floor(
    value: Decimal, power: Decimal, floor: Decimal
) -> None:
    found = rate(falling(str(power), str(floor)), degrees(str(value)))
    assert 0.001 * float(floor) <= found * (1 + 1e-12) and found <= 0.001


def test_the_first_round_that_decays_starts_at_its_own_error_and_those_after_it_there_too() -> None:
    first = started(falling(start=None), degrees("11.5"), None)
    assert first.decay is not None and first.decay.start == Decimal("11.5")
    second = started(falling(start=None), degrees("7.25"), first)
    assert second.decay is not None and second.decay.start == Decimal("11.5")
    assert started(falling(start="9"), degrees("7.25"), first).decay == falling(start="9").decay


def test_a_plan_that_begins_to_decay_later_starts_where_the_model_then_is() -> None:
    later = started(falling(start=None), degrees("7.25"), RECIPE)
    assert later.decay is not None and later.decay.start == Decimal("7.25")
    assert started(RECIPE, degrees("7.25"), later) == RECIPE
