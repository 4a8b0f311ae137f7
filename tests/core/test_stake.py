"""The stake due: doubled for each strike, rounded up, never more than an amount can be."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agent.core.fields import MOST_STAKE
from agent.core.money import MAX_STROOPS, UNIT
from agent.core.round import StakeSchedule
from agent.core.stake import stake_due

DLC = "DLC:G" + "A" * 52 + "WHF"


def schedule(base: int, growth: str = "2") -> StakeSchedule:
    return StakeSchedule(asset=DLC, base=base, growth=Decimal(growth), fee=1)


def test_each_strike_doubles_the_stake() -> None:
    assert [stake_due(schedule(10 * UNIT), strikes) for strikes in range(4)] == [n * UNIT for n in (10, 20, 40, 80)]


@given(st.integers(2, MOST_STAKE), st.decimals("1", "10", places=3), st.integers(0, 1000))
def test_the_stake_never_falls_with_a_strike_and_never_leaves_the_range(
    base: int, growth: Decimal, strikes: int
) -> None:
    due = [stake_due(schedule(base, str(growth)), n) for n in (strikes, strikes + 1)]
    assert base <= due[0] <= due[1] <= MAX_STROOPS


def test_a_broken_stroop_is_rounded_up() -> None:
    assert stake_due(schedule(3, "1.5"), 1) == 5
