"""Forfeited stakes are shared by credit: never more than there is, nobody twice, the rest stays for the next time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import StrKey

from agent.core import purse as purses
from agent.core import record as records
from agent.core.documents import Purse
from agent.core.money import MAX_STROOPS, UNIT
from agent.core.record import ChainEnd
from agent.validator.rounds import Served
from tests.core.test_documents import CID, a_round, accounts

CAR, OTHER = (StrKey.encode_ed25519_public_key(bytes([n]) * 32) for n in (1, 2))
pots = st.integers(0, MAX_STROOPS)
bases = st.integers(1, MAX_STROOPS)
credits = st.dictionaries(accounts, st.integers(1, 3 * UNIT), min_size=1, max_size=250)


def paid_out(pot: int, credits: dict[str, int], base: int) -> dict[str, int]:
    return {share.vehicle: share.amount for share in purses.shares(pot, credits, base)}


@given(pots, credits, bases)
def test_shares_are_in_proportion_to_credit_and_leave_less_than_a_stroop_each(
    pot: int, credits: dict[str, int], base: int
) -> None:
    total, paid = sum(credits.values()), paid_out(pot, credits, base)
    most = min(pot, base * total // UNIT)
    assert all(0 <= most * credit - paid.get(vehicle, 0) * total < total for vehicle, credit in credits.items())
    assert 0 <= most - sum(paid.values()) < len(credits)


@given(pots, credits, bases)
def test_whatever_was_forfeited_nobody_gets_more_than_a_base_stake_for_full_credit(
    pot: int, credits: dict[str, int], base: int
) -> None:
    """Else who is alone in a round would be given all that is forfeited for work that is worth nothing."""
    paid = paid_out(pot, credits, base)
    assert all(amount * UNIT <= base * credits[vehicle] for vehicle, amount in paid.items())


def test_a_stroop_of_credit_alone_in_a_round_takes_next_to_nothing_of_the_purse() -> None:
    assert paid_out(20 * UNIT, {CAR: 1}, base=10 * UNIT) == {CAR: 10}
    assert paid_out(20 * UNIT, {CAR: UNIT}, base=10 * UNIT) == {CAR: 10 * UNIT}
    assert paid_out(20 * UNIT, {CAR: UNIT, OTHER: UNIT}, base=10 * UNIT) == {CAR: 10 * UNIT, OTHER: 10 * UNIT}


@given(pots, credits, st.data())
@settings(max_examples=40)
def test_however_many_records_it_takes_each_vehicle_is_paid_its_share_once(
    pot: int, credits: dict[str, int], data: st.DataObject
) -> None:
    away = data.draw(st.sets(st.sampled_from(sorted(credits)), max_size=5))
    round_ = a_round(number=1, previous=CID)
    served, link, paid = Served(CID, round_, 1), ChainEnd(purse=Purse(forfeited=pot)), Counter[str]()
    while made := records.shared(link, served, round_.committee[0], credits, lambda vehicle, _: vehicle not in away):
        assert len(made.shares) <= purses.MAX_SHARES
        paid.update({share.vehicle: share.amount for share in made.shares})
        link = ChainEnd(made.index, CID, made.agreements, made.purse)
    shares = paid_out(pot, credits, round_.stake.base)
    due = {vehicle: amount for vehicle, amount in shares.items() if vehicle not in away}
    assert paid == due
    assert link.purse.forfeited == pot - sum(due.values())


def test_what_is_forfeited_after_a_round_was_published_is_for_the_next_one() -> None:
    purse = purses.begun(Purse(forfeited=10), newest=1)
    assert (purse.pot, purse.forfeited) == (10, 10)
    later = purse.model_copy(update={"forfeited": 17})
    assert purses.begun(later, newest=1) == later
    assert purses.begun(later, newest=2).pot == 17
