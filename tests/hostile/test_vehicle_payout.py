"""Whoever can take something away between a closing's signature and its ledger, or set a trap on the way to the owner:
the pay arrives, at its price, at the owner's account or nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import AccountMerge, AuthorizationFlag, BumpSequence, ChangeTrust, ManageSellOffer, Price, SetOptions

from agent.core.jobs.contribution import Closed, JobState, Refused, Step
from agent.core.money import UNIT, XLM
from agent.ledger.envelope import sdk_asset
from agent.vehicle.steps.close import Waits
from tests.hostile.steps import do
from tests.market.town import REWARD, Town, found
from tests.vehicle.owners import RATE, Home, closed
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"), committee=1)


@pytest.fixture
def home(town: Town, tmp_path: Path) -> Home:
    made = Home(town, tmp_path)
    made.sells_usd()
    made.trusts(made.usd)
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bank_that_freezes_the_owners_line_each_time_is_left_out_after_two_tries(home: Home) -> None:
    """It freezes the line once the closing is signed, and lets go before the next is."""
    home.town.apply([SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE)], home.bank)
    context, job = home.accepted(payout_asset=str(home.usd))
    for _ in range(2):
        job = do(context, job, Step.CLOSE)
        home.lets_hold(freely=False)
        job = do(context, job, Step.COLLECT, Step.COLLECT)
        assert "NOT_AUTHORIZED" in job.of(Refused).codes
        home.lets_hold(freely=True)
    assert closed(context, job).of(Closed) == Closed(REWARD, home.owner.public_key)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_line_that_is_frozen_for_good_keeps_no_pay_back(home: Home) -> None:
    home.town.apply([SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE)], home.bank)
    context, job = home.accepted(payout_asset=str(home.usd))
    home.lets_hold(freely=False)
    assert closed(context, job).of(Closed) == Closed(REWARD, home.owner.public_key)


def test_a_book_that_is_emptied_after_the_look_costs_one_fee_and_no_pay(home: Home) -> None:
    context, job = home.accepted(payout_asset=str(home.usd))
    job = do(context, job, Step.CLOSE)
    home.closes_its_book()
    job = do(context, job, Step.COLLECT, Step.COLLECT)
    assert job.state is JobState.SETTLED
    assert closed(context, job).of(Closed) == Closed(REWARD, home.owner.public_key)


@pytest.mark.parametrize("twosided", [False, True])
def test_one_offer_of_a_stranger_is_no_price(home: Home, twosided: bool) -> None:
    """All other offers are gone; what is left would take 40 XLM for less than a cent."""
    home.closes_its_book()
    usd, xlm = sdk_asset(home.usd), sdk_asset(XLM)
    trap = [ManageSellOffer(usd, xlm, "1000", Price(4000, 1))]
    if twosided:
        trap.append(ManageSellOffer(xlm, usd, "1000", Price(1, 4)))
    home.town.apply(trap, home.bank)
    context, job = home.accepted(payout_asset=str(home.usd))
    assert closed(context, job).of(Closed) == Closed(REWARD, home.owner.public_key)


def test_a_price_that_moves_after_the_look_is_not_paid(home: Home) -> None:
    """The asset costs a tenth more when the closing comes: it fails whole, and the next look takes the new price."""
    context, job = home.accepted(payout_asset=str(home.usd))
    job = do(context, job, Step.CLOSE)
    home.closes_its_book()
    usd, xlm = sdk_asset(home.usd), sdk_asset(XLM)
    dearer = [ManageSellOffer(usd, xlm, "1000", Price(44, 10)), ManageSellOffer(xlm, usd, "1000", Price(10, 43))]
    home.town.apply(dearer, home.bank)
    job = do(context, job, Step.COLLECT, Step.COLLECT)
    assert "UNDER_DESTMIN" in job.of(Refused).codes
    paid = closed(context, job).of(Closed)
    assert (paid.paid, paid.arrived) == (REWARD, REWARD * 10 // 44)


def test_an_owner_who_merges_the_account_away_meanwhile_is_paid_once_it_is_there_again(home: Home) -> None:
    context, job = home.accepted(keep="5")
    job = do(context, job, Step.CLOSE)
    home.town.apply([ChangeTrust(sdk_asset(home.usd), "0"), AccountMerge(home.bank.public_key)], home.owner)
    job = do(context, job, Step.COLLECT, Step.COLLECT)
    assert "NO_DESTINATION" in job.of(Refused).codes
    job = closed(context, job)  # the bid is withdrawn
    before = home.held(home.car)
    with pytest.raises(Waits, match="which is not on the ledger"):
        do(context, job, Step.CLOSE)
    assert home.held(home.car) == before > 5 * UNIT
    home.town.net.fund(home.owner.public_key)
    assert closed(context, job).of(Closed).paid == REWARD
    assert home.held(home.owner) > 10_000 * UNIT + REWARD


def test_pay_of_a_closing_whose_answer_was_lost_goes_out_once(home: Home) -> None:
    """The car is cut off after the closing left and asks again, and again."""
    context, job = home.accepted(payout_asset=str(home.usd))
    job = do(context, job, Step.CLOSE, Step.COLLECT)
    for _ in range(3):
        assert do(context, job, Step.COLLECT).of(Closed).paid == REWARD
    assert home.held(home.owner, home.usd) == REWARD // RATE


@pytest.mark.parametrize("applied", [True, False])
def test_a_closing_that_history_forgot_is_known_by_the_credit(tmp_path: Path, applied: bool) -> None:
    """The car was off for longer than its Horizon remembers: a credit that is gone was redeemed, one that is there is
    redeemed now. In either case the owner is paid once and the job ends."""
    (tmp_path / "town").mkdir()
    with Localnet(history=30) as net:
        home = Home(found(net, tmp_path / "town", committee=1), tmp_path)
        before = home.held(home.owner)
        context, job = home.accepted()
        job = do(context, job, Step.CLOSE)
        if applied:
            job = do(context, job, Step.COLLECT)
        else:
            home.town.apply([BumpSequence(home.account(home.car).sequence + 1)], home.car)
        net.close_ledger(advance=300)
        for _ in range(40):
            net.close_ledger()
        job = do(context, job, Step.COLLECT)
        assert job.state is (JobState.CLOSED if applied else JobState.SETTLED)
        job = job if applied else closed(context, job)
        assert REWARD * 98 // 100 <= job.of(Closed).paid <= REWARD
        assert home.held(home.owner) == before + REWARD
