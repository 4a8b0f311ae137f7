"""A pledge with an arbiter on a real localnet: whose it is when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from stellar_sdk import Claimant, ClaimClaimableBalance, ClaimPredicate, CreateClaimableBalance, Keypair

from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM
from agent.core.round import Round
from agent.initiator import paying
from agent.ledger.envelope import sdk_asset
from agent.market import pledge, round_accounts
from tests.market.settling import refusal
from tests.market.town import Town, found, publisher_of
from tools.localnet.server import Localnet

ARBITER = Keypair.random()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        net.fund(ARBITER.public_key)
        yield found(net, tmp_path / "town", arbiter={"account": ARBITER.public_key, "fee": "5"})


def test_the_arbiter_may_claim_in_its_window_and_neither_before_nor_after(town: Town) -> None:
    round_ = town.round
    assert round_.pledge is not None
    assert round_accounts.look(town.horizon, round_, town.horizon.account(town.settlement)) == ""
    (locked,) = pledge.of(round_, town.horizon.stakes(round_.settlement, XLM))
    claim = ClaimClaimableBalance(BALANCE_V0 + locked.id)
    for key in (ARBITER, town.initiator):
        assert "CANNOT_CLAIM" in refusal(town, claim, key)
    town.net.close_ledger(close_time=round_.pledge.until)
    assert "CANNOT_CLAIM" in refusal(town, claim, town.initiator)
    town.net.close_ledger(close_time=round_.back_at)
    assert "CANNOT_CLAIM" in refusal(town, claim, ARBITER)
    assert refusal(town, claim, town.initiator) == ""


def test_an_arbiter_that_is_away_keeps_nothing(town: Town) -> None:
    publisher = publisher_of(town, arbiter={"account": ARBITER.public_key, "fee": "5"})
    assert town.round.pledge is not None
    town.net.close_ledger(close_time=town.round.pledge.until)
    assert paying.reclaim(publisher) == 0
    town.net.close_ledger(close_time=town.round.back_at)
    assert paying.reclaim(publisher) == town.round.pledge.amount
    publisher.book.journal.close()


def test_only_what_gives_the_arbiter_its_whole_window_counts(town: Town) -> None:
    round_ = town.round
    assert round_.pledge is not None
    until, end, before = round_.pledge.until, round_.back_at, ClaimPredicate.predicate_before_absolute_time

    def locks(rules: ClaimPredicate | None, back: int, who: Keypair = ARBITER) -> None:
        arbiter = [] if rules is None else [Claimant(who.public_key, rules)]
        own = Claimant(round_.initiator, ClaimPredicate.predicate_not(before(back)))
        made = CreateClaimableBalance(sdk_asset(XLM), "50", [Claimant(round_.settlement), *arbiter, own])
        town.apply([made], town.initiator)

    def within(start: int, stop: int) -> ClaimPredicate:
        return ClaimPredicate.predicate_and(ClaimPredicate.predicate_not(before(start)), before(stop))

    first = pledge.left(town.horizon, round_)
    locks(None, until)
    locks(None, end)
    locks(within(until, end), until)
    locks(within(until + 1, end), end)
    locks(within(until, end - 1), end)
    locks(within(until, end), end, town.operator)
    locks(before(end), end)
    locks(ClaimPredicate.predicate_or(ClaimPredicate.predicate_not(before(until)), before(end)), end)
    assert pledge.left(town.horizon, round_) == first
    locks(within(until, end), end)
    assert pledge.left(town.horizon, round_) == first + 50 * UNIT


def test_nobody_rules_on_what_is_its_own(town: Town) -> None:
    values = town.round.model_dump(exclude_none=True)
    for own in (town.initiator.public_key, town.settlement, town.round.issuer, town.committee[0].public_key):
        values["pledge"]["arbiter"]["account"] = own
        with pytest.raises(ValidationError, match="neither initiator nor on the committee"):
            Round.model_validate(values)
