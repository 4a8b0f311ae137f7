"""Money: no stroop appears, none is lost, and what is not an amount is refused."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.money import MAX_STROOPS, UNIT, XLM, Asset, share, stroops, text
from agent.errors import Malformed

amounts = st.integers(0, MAX_STROOPS)
parts = st.fractions(0, 1)
ISSUER = "G" + "A" * 52 + "WHF"


@given(amounts)
def test_an_amount_is_the_same_after_a_trip_through_text(amount: int) -> None:
    assert stroops(text(amount)) == amount


def test_amounts_are_written_as_horizon_writes_them() -> None:
    assert text(15_000_000) == "1.5000000"
    assert text(-1) == "-0.0000001"
    assert stroops("1.5") == 15_000_000
    assert stroops("0.0000001") == 1
    assert stroops("922337203685.4775807") == MAX_STROOPS


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "-1",
        "x",
        "+1",
        "1e3",
        "1.",
        ".5",
        "1.00000001",
        "922337203685.4775808",
        "NaN",
        "1,5",
        " 1",
        "1\n",
        "9" * 400,
        "¹",
    ],
)
def test_what_is_no_amount_is_refused(wrong: str) -> None:
    with pytest.raises(Malformed, match="not a decimal"):
        stroops(wrong)


@given(st.text(max_size=40))
def test_any_text_is_an_amount_in_range_or_refused(found: str) -> None:
    with contextlib.suppress(Malformed):
        assert 0 <= stroops(found) <= MAX_STROOPS


@given(amounts, parts)
def test_a_share_is_never_more_than_its_part(amount: int, part: Fraction) -> None:
    given_out = share(amount, part)
    assert given_out <= amount * part < given_out + 1


@given(amounts, st.lists(st.integers(1, 1000), min_size=1, max_size=10))
def test_shares_of_one_amount_never_come_to_more_than_it(amount: int, weights: list[int]) -> None:
    total = sum(weights)
    assert sum(share(amount, Fraction(weight, total)) for weight in weights) <= amount


def test_an_asset_is_read_as_it_is_written() -> None:
    dlc = Asset("DLC", ISSUER)
    assert Asset.parse(str(dlc)) == dlc
    assert Asset.parse(str(XLM)) == XLM
    assert XLM.is_native
    assert not dlc.is_native
    assert share(UNIT, Fraction(1, 3)) == 3_333_333


@pytest.mark.parametrize("wrong", ["", "DLC", "DLC:", f":{ISSUER}", f"DLC-1:{ISSUER}", f"{'D' * 13}:{ISSUER}", "XLM"])
def test_what_is_no_asset_is_refused(wrong: str) -> None:
    with pytest.raises(Malformed, match="asset"):
        Asset.parse(wrong)
