"""Choosing an offer: the best net pay wins, and every loser is told why."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.choice import Candidate, Means, net_pay, rank
from agent.core.experience import Odds
from agent.core.money import UNIT

RICH = Means(
    xlm=100 * UNIT,
    max_stake=50 * UNIT,
    buy_budget=0,
    min_pay=0,
    fees=1000,
    odds=Odds(Fraction(9, 10), rejected=Fraction(1, 10)),
)
FAIR = Candidate(
    offer=1,
    initiator="G1",
    model="DLMroad:G1",
    round=0,
    cid="Qm1",
    since=10,
    reward=40 * UNIT,
    budget=1000 * UNIT,
    stake=10 * UNIT,
    fee=UNIT // 2,
    stake_price=Fraction(1, 2),
    missing=0,
    cost=0,
    reserve=3 * UNIT // 2,
    planned=400,
    steps=400,
    share=Fraction(1),
    privacy="sealed",
)

amounts = st.integers(0, 200 * UNIT)
prices = st.fractions(0, 5, max_denominator=100)
candidates = st.builds(
    Candidate,
    offer=st.integers(1, 10_000),
    initiator=st.just("G1"),
    model=st.just("DLMroad:G1"),
    round=st.integers(0, 9),
    cid=st.just("Qm1"),
    since=st.integers(1, 5),
    reward=amounts,
    budget=amounts,
    stake=amounts,
    fee=amounts,
    stake_price=prices,
    missing=amounts,
    cost=st.none() | amounts,
    reserve=st.sampled_from([3 * UNIT // 2, 2 * UNIT]),
    planned=st.just(400),
    steps=st.just(400),
    share=st.fractions(0, 1, max_denominator=100),
    privacy=st.sampled_from(["open", "sealed"]),
    unfit=st.sampled_from(["", "", "", "it needs 9 GB"]),
)
shares = st.fractions(0, 1, max_denominator=50)
odds = st.tuples(shares, shares, shares).map(lambda drawn: Odds(*(each / max(1, sum(drawn)) for each in drawn)))
means = st.builds(
    Means,
    xlm=amounts,
    max_stake=amounts,
    buy_budget=amounts,
    min_pay=st.integers(0, UNIT),
    fees=st.integers(0, 100_000),
    odds=odds,
)


@given(st.lists(candidates, max_size=8, unique_by=lambda c: c.offer), means)
def test_the_winner_has_the_highest_net_pay_of_those_that_can_be_served_and_every_loser_a_reason(
    offered: list[Candidate], mine: Means
) -> None:
    ranked = rank(offered, mine)
    assert sorted(r.candidate.offer for r in ranked) == sorted(c.offer for c in offered)
    assert all(r.net == net_pay(r.candidate, mine) for r in ranked)
    assert all(r.lost for r in ranked[1:])
    servable = [r for r in ranked if r.lost in ("", "another offer pays more")]
    assert all(r.net >= mine.min_pay for r in servable)
    if servable:
        assert ranked[0].lost == ""
        assert ranked[0].net == max(r.net for r in servable)


@given(st.lists(candidates, max_size=8, unique_by=lambda c: c.offer), means, st.randoms())
def test_the_order_in_which_offers_are_found_decides_nothing(offered: list[Candidate], mine: Means, dice) -> None:
    shuffled = offered[:]
    dice.shuffle(shuffled)
    assert rank(shuffled, mine) == rank(offered, mine)


def test_of_equal_offers_the_older_wins() -> None:
    older, newer = replace(FAIR, offer=7, since=3), replace(FAIR, offer=2, since=9)
    assert [r.candidate.offer for r in rank([newer, older], RICH)] == [7, 2]


def test_the_net_pay_is_the_formula_of_the_protocol() -> None:
    """0.9 · 40 XLM, less 0.9 · 0.5 DLC and 0.1 · 10 DLC at half a lumen each."""
    assert net_pay(FAIR, RICH) == 36 * UNIT - 9 * UNIT // 40 - UNIT // 2 - 1000


def test_half_of_the_credit_is_half_of_the_pay_at_the_whole_risk() -> None:
    assert net_pay(FAIR, RICH) - net_pay(replace(FAIR, share=Fraction(1, 2)), RICH) == 18 * UNIT


@pytest.mark.parametrize(
    ("candidate", "mine", "reason"),
    [
        (replace(FAIR, unfit="it needs 9 GB"), RICH, "it needs 9 GB"),
        (FAIR, replace(RICH, max_stake=UNIT), "above market.max_stake"),
        (replace(FAIR, budget=UNIT), RICH, "less than one reward"),
        (replace(FAIR, missing=UNIT, cost=None), RICH, "1.0000000 DLC are missing and nobody sells so many"),
        (replace(FAIR, missing=UNIT, cost=1), RICH, "above market.buy_stake_budget"),
        (FAIR, replace(RICH, xlm=UNIT), "an entry needs 1.5000000 XLM as reserve, 0.0001000 for fees, and 1.0000000"),
        (replace(FAIR, missing=UNIT, cost=99 * UNIT), replace(RICH, buy_budget=99 * UNIT), "99.0000000 for missing"),
        (FAIR, replace(RICH, min_pay=60 * UNIT), "below market.min_pay"),
    ],
)
def test_each_reason_against_an_offer_is_a_sentence(candidate: Candidate, mine: Means, reason: str) -> None:
    (only,) = rank([candidate], mine)
    assert reason in only.lost
