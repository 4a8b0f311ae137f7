"""One crossing, against the numbers that stellar-core's own functions give."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.localnet.engine.entries import MAX
from tools.localnet.engine.exchange import (
    Rounding,
    adjusted_amount,
    exchange,
    exchange_unbounded,
    within_price_bound,
)
from tools.localnet.engine.liabilities import liabilities_of

amounts = st.one_of(st.integers(0, 3_000), st.integers(0, MAX))
sizes = st.one_of(st.integers(1, 3_000), st.integers(1, MAX))
prices = st.one_of(st.integers(1, 300), st.integers(1, 2**31 - 1))


@pytest.fixture(scope="module")
def vectors(shared: Any) -> dict[str, Any]:
    path = shared / "conformance/stellar/exchange_vectors.json.gz"
    if not path.is_file():
        pytest.skip("the exchange vectors are not beside this checkout (../shared)")
    with gzip.open(path) as file:
        found: dict[str, Any] = json.load(file)
    return found


def settled(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows of which core does not say that no ledger can come to them."""
    return [row for row in rows if "throws" not in row]


@pytest.mark.parametrize("table", ["test_exchange_v10", "core_exchange_v10"])
def test_every_recorded_exchange_comes_out_the_same(vectors: dict[str, Any], table: str) -> None:
    for row in settled(vectors[table]):
        *limits, rounding, wheat, sheep, stays = row[:10]
        assert exchange(*limits, Rounding[rounding]) == (wheat, sheep, bool(stays)), row
        if len(row) > 10:
            assert exchange_unbounded(*limits, Rounding[rounding])[:2] == tuple(row[10:12]), row


@pytest.mark.parametrize("table", ["test_adjust_offer", "core_adjust_offer"])
def test_every_recorded_offer_is_adjusted_to_the_same_amount(vectors: dict[str, Any], table: str) -> None:
    for n, d, max_wheat, max_sheep, adjusted in settled(vectors[table]):
        assert adjusted_amount(n, d, max_wheat, max_sheep) == adjusted


@pytest.mark.parametrize("table", ["test_price_error_bound", "core_price_error_bound"])
def test_every_recorded_price_error_is_judged_the_same(vectors: dict[str, Any], table: str) -> None:
    for n, d, wheat, sheep, may_favour_wheat, fair in settled(vectors[table]):
        assert within_price_bound(n, d, wheat, sheep, bool(may_favour_wheat)) == bool(fair)


def test_every_recorded_offer_has_the_same_liabilities(vectors: dict[str, Any]) -> None:
    for n, d, amount, selling, buying, buy_selling, buy_buying in settled(vectors["core_offer_liabilities"]):
        assert liabilities_of(n, d, amount) == (selling, buying)
        # A buy offer is stored at its price turned over, and its amount is a limit on what is received.
        assert liabilities_of(d, n, MAX, max_receive=amount) == (buy_selling, buy_buying)


@given(prices, prices, sizes, sizes, sizes, sizes)
def test_nobody_gives_or_takes_more_than_its_limit(
    n: int, d: int, wheat_send: int, wheat_receive: int, sheep_send: int, sheep_receive: int
) -> None:
    wheat_send = adjusted_amount(n, d, wheat_send, sheep_receive)
    for rounding in Rounding:
        trade = exchange(n, d, wheat_send, wheat_receive, sheep_send, sheep_receive, rounding)
        assert 0 <= trade.wheat <= min(wheat_send, wheat_receive)
        assert 0 <= trade.sheep <= min(sheep_send, sheep_receive)


@given(prices, prices, amounts, amounts, sizes, sizes)
def test_rounding_favours_whoever_remains(
    n: int, d: int, wheat_send: int, wheat_receive: int, sheep_send: int, sheep_receive: int
) -> None:
    wheat, sheep, stays = exchange_unbounded(
        n, d, wheat_send, wheat_receive, sheep_send, sheep_receive, Rounding.NORMAL
    )
    paid, due = sheep * d, wheat * n
    assert paid >= due if stays else paid <= due


@given(prices, prices, amounts, amounts)
def test_adjusting_twice_changes_nothing(n: int, d: int, wheat: int, sheep: int) -> None:
    once = adjusted_amount(n, d, wheat, sheep)
    assert adjusted_amount(n, d, once, sheep) == once <= wheat


@given(prices, prices, amounts)
def test_an_adjusted_offer_promises_exactly_its_amount(n: int, d: int, amount: int) -> None:
    amount = adjusted_amount(n, d, amount, MAX)
    assert liabilities_of(n, d, amount).selling == amount
