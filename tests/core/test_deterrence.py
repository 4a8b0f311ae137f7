"""Whether lying pays, in a plan's own numbers."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from agent.core.deterrence import Deterrence, of_validators, of_vehicles, sentence
from agent.core.money import UNIT

HALF = Fraction(1, 2)


def test_ten_dlc_against_forty_xlm_are_an_eighth_of_what_is_asked_for() -> None:
    found = of_vehicles(10 * UNIT, 40 * UNIT, HALF)
    assert (found.ratio, found.asked, found.holds) == (Fraction(1, 8), 1, False)
    assert sentence("vehicles", found, "a stake") == (
        "lying may pay vehicles: f/π is 0.125, and more than 1 is asked for where a lie is noticed with probability"
        " 0.5; a stake of 80.0000001 DLC would do"
    )


def test_a_committee_that_has_put_nothing_down_loses_nothing() -> None:
    assert of_validators([0, 0, 100 * UNIT], 2000 * UNIT, HALF).ratio == 0


def test_a_bribe_need_reach_those_alone_who_have_least_to_lose() -> None:
    found = of_validators([100 * UNIT, 300 * UNIT, 200 * UNIT, 900 * UNIT], 150 * UNIT, HALF)
    assert found.at_risk == 600 * UNIT and found.holds  # three of four sign


def test_what_nobody_sells_is_worth_nobody_knows_what() -> None:
    found = of_vehicles(10 * UNIT, UNIT, Fraction(0))
    assert (found.holds, found.enough) == (False, None)
    assert "is not known" in sentence("vehicles", found, "a stake")


amounts, prices = st.integers(1, 10**15), st.fractions(Fraction(1, 1000), 1000)


@given(amounts, amounts, prices, st.fractions(Fraction(1, 100), Fraction(99, 100)))
def test_what_is_enough_is_enough_and_one_stroop_less_is_not(
    staked: int, reward: int, price: Fraction, noticed: Fraction
) -> None:
    enough = Deterrence(staked, price, reward, noticed).enough
    assert enough is not None
    assert Deterrence(enough, price, reward, noticed).holds
    assert not Deterrence(enough - 1, price, reward, noticed).holds


@given(amounts, amounts, prices, st.fractions(Fraction(1, 100), Fraction(99, 100)))
def test_where_it_holds_a_liar_loses_on_average(staked: int, reward: int, price: Fraction, noticed: Fraction) -> None:
    found = Deterrence(staked, price, reward, noticed)
    assert found.holds == ((1 - noticed) * reward < noticed * staked * price)
