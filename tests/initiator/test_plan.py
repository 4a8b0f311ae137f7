"""plan.toml: what nobody could publish is refused as it is read, in a sentence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.fields import MOST_PRICE
from agent.core.money import UNIT, text
from agent.core.pay import fits
from agent.errors import BAD_CONFIG
from agent.initiator.plan import Plan, PlanError, _nearest, read
from tests.market.rounds import COMMITTEE, DLC

PLAN: dict[str, Any] = {
    "name": "road",
    "committee": COMMITTEE,
    "reward": "40",
    "budget": "1000",
    "contributions": 8,
    "stake": {"asset": str(DLC), "base": "10", "fee": "0.5"},
    "task": {"kind": "steering"},
    "architecture": {"name": "pilotnet"},
    "input": {"height": 66, "width": 200},
    "recipe": {"steps": 400, "batch": 32, "learning_rate": "0.001", "minimum_samples": 200},
}


@given(st.integers(1, 10**19))
def test_a_reward_is_a_price_exactly_where_it_is_a_fraction_of_two_32_bit_integers(reward: int) -> None:
    price = Fraction(UNIT, reward)
    assert fits(reward) == (max(price.numerator, price.denominator) <= MOST_PRICE)


@given(st.integers(1, MOST_PRICE * UNIT - 1).filter(lambda reward: not fits(reward)))
def test_the_two_nearest_rewards_are_prices_and_nothing_between_them_is(reward: int) -> None:
    """(rr) They are named in the refusal."""
    below, above = _nearest(reward)
    assert below < reward < above
    assert fits(below)
    assert fits(above)
    assert not any(
        fits(other) for other in (*range(below + 1, min(below + 50, reward)), *range(reward, min(above, reward + 50)))
    )
    with pytest.raises(ValueError, match=f"make it {text(below)} or {text(above)}"):
        Plan(**{**PLAN, "reward": text(reward), "budget": text(reward), "contributions": 1})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"reward": "0"}, "the reward is more than 0"),
        ({"budget": "319.9999999"}, "the budget at least one reward for each contribution"),
        ({"reward": "999999999999.9999999", "budget": "999999999999.9999999"}, "at most 7 places"),
        ({"gain_share": "0"}, "greater than 0"),
        ({"committee": ["G" + "A" * 55]}, "checksum"),
        ({"stake": {**PLAN["stake"], "asset": "DLC:G" + "A" * 55}}, "checksum"),
    ],
    ids=["no reward", "no budget", "more than there is", "no gain", "no member", "no operator"],
)
def test_what_nobody_could_publish_is_a_mistake_in_the_plan(tmp_path: Path, other: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Plan(**{**PLAN, **other})


def test_a_plan_file_that_is_wrong_ends_with_the_code_of_a_wrong_configuration(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text('name = "road"\n')
    with pytest.raises(PlanError, match="committee") as wrong:
        read(file)
    assert wrong.value.exit_code == BAD_CONFIG
