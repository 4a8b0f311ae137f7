"""The pure machine, over a change of committee: whatever fewer than a third do, nothing starves, nobody but two thirds
moves a verdict, and what validators earn is what was kept as fees, to the stroop."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.silence import replaced, silent
from tests.committee.succession import FEE, NEXT, Succession
from tests.core.chamber import LIES, MEMBERS, a_review

LONG = 400
"""Ledgers: a dozen draws for each of a few motions."""


@st.composite
def successions(draw: st.DrawFn) -> Succession:
    """Seven, of whom up to three leave for others; of the old and of the new fewer than a third lie."""
    leaving = draw(st.integers(1, 3))
    heirs = (*range(leaving, 7), *range(7, 7 + leaving))
    liars = draw(st.sets(st.integers(0, 9), max_size=4).filter(lambda s: _few(s, range(7)) and _few(s, heirs)))
    lies = {MEMBERS[number]: draw(st.sampled_from(LIES)) for number in sorted(liars)}
    lost, restarts = draw(st.sampled_from((0.0, 0.2))), draw(st.sampled_from((0.0, 0.05)))
    made = Succession(7, lies, heirs=heirs, dice=Random(draw(st.integers(0, 99))))
    made.lost, made.restarts = lost, restarts
    return made


def _few(liars: set[int], committee: object) -> bool:
    return len([number for number in liars if number in committee]) <= 2  # type: ignore[operator]


def until(chamber: Succession, done: object) -> None:
    for _ in range(LONG):
        if done():  # type: ignore[operator]
            return
        chamber.visit()
    raise AssertionError(f"still open after {LONG} ledgers: {chamber.reviews.keys()}, {chamber.signers}")


@given(successions(), st.integers(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_over_a_change_of_committee_nothing_starves_and_pay_is_the_fees_to_the_stroop(
    chamber: Succession, count: int
) -> None:
    before = [a_review(n, ledger=10, outcome=("accepted", "idle", "rejected")[n % 3]) for n in range(count)]
    chamber.enters(*before)
    until(chamber, lambda: chamber.is_handed_over)
    assert not chamber.reviews, "what was open as the round opened is settled by those who voted"
    after = [a_review(n, ledger=chamber.ledger, cid=NEXT) for n in range(100, 100 + count)]
    chamber.enters(*after)
    until(chamber, lambda: not chamber.reviews)
    assert chamber.ends == {r.id: (r.verdict.outcome, r.verdict.credit) for r in (*before, *after)}
    fees = paid = 0
    for transaction in chamber.applied:
        record = transaction.record
        fees += sum(entry.fee for entry in record.entries)
        paid += sum(wage.amount for wage in record.paid or ())
        owed = sum(record.wages.due.values()) if record.wages is not None else 0
        assert fees == paid + owed
        assert {e.fee for e in record.entries} <= {0, FEE}


@given(successions())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_earned_before_is_paid_by_who_comes_after(chamber: Succession) -> None:
    chamber.enters(a_review(1, ledger=10), a_review(2, ledger=10, outcome="idle"))
    until(chamber, lambda: chamber.is_handed_over and chamber.link.wages is None)
    wages = [wage for transaction in chamber.applied for wage in transaction.record.paid or ()]
    assert sum(wage.amount for wage in wages) == 2 * FEE
    assert {wage.validator for wage in wages} <= set(MEMBERS[:7])
    honest = {wage.amount for wage in wages if wage.validator not in chamber.lies}
    assert max(honest) - min(honest) <= 2 * FEE
    harsh = {member for member, lie in chamber.lies.items() if lie in ("silent", "harsh", "other figure")}
    assert not harsh & {wage.validator for wage in wages}


def test_a_silent_member_is_replaced_and_stays_out() -> None:
    trio, spare = ["a", "b", "c"], ["d", "e"]
    settled = [(trio, {"a", "b"})] * 3
    assert silent(settled, 3) == {"c"}
    assert silent(settled, 4) == set()
    assert replaced(trio, spare, {"c"}) == ("a", "b", "d")
    later = [(("a", "b", "d"), {"a", "b", "d"})] * 5
    assert silent([*later, *settled], 3) == {"c"}
    assert replaced(trio, [], {"c"}) == ("a", "b", "c")
    assert replaced(trio, ["c", "d"], {"c"}) == ("a", "b", "d")
