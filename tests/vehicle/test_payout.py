"""Pay goes to the owner's account, as the owner wants it, and never rests on the car; what the owner's account cannot
take waits or comes as XLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair, ManageData, MuxedAccount

from agent.compose import account
from agent.core.jobs.contribution import Closed, Job, JobState, Opened, Partly, Step
from agent.core.jobs.fold import advance
from agent.core.money import UNIT, XLM, Asset
from agent.errors import MilepostError
from agent.host.config import load
from agent.ledger.envelope import opened
from agent.market.payout import Payout, Redemption, converted
from agent.vehicle.steps.close import Waits
from tests.hostile.steps import do
from tests.market.town import REWARD, Town, found
from tests.vehicle.owners import RATE, Home, closed
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"), committee=1)


@pytest.fixture
def home(town: Town, tmp_path: Path) -> Home:
    return Home(town, tmp_path)


def test_pay_goes_to_the_owner_and_the_car_only_pays_its_fees(home: Home) -> None:
    before = home.held(home.owner)
    context, job = home.accepted()
    mine = home.held(home.car)
    job = closed(context, job)
    assert job.of(Closed) == Closed(REWARD, home.owner.public_key)
    assert home.held(home.owner) == before + REWARD
    assert mine - 10_000 < home.held(home.car) < mine


def test_without_an_owner_it_is_the_cars_own(home: Home) -> None:
    context, job = home.accepted(payout=None)
    assert closed(context, job).of(Closed) == Closed(REWARD)


def test_a_muxed_address_is_taken_and_the_ledger_carries_its_id(home: Home) -> None:
    """Whatever memo the account would want else: the id says whose it is."""
    muxed = MuxedAccount(home.owner.public_key, 4711).account_muxed
    home.town.apply([ManageData("config.memo_required", "1")], home.owner)
    context, job = home.accepted(payout=muxed)
    job = closed(context, job)
    assert job.of(Closed) == Closed(REWARD, home.owner.public_key)
    paid = opened(job.closing.envelope.envelope, home.town.net.passphrase).operations[0]
    assert paid.destination.account_muxed_id == 4711


def test_pay_becomes_the_owners_asset_on_its_way_and_is_still_told_in_xlm(home: Home) -> None:
    home.sells_usd()
    home.trusts(home.usd)
    context, job = home.accepted(payout_asset=str(home.usd))
    job = closed(context, job)
    assert job.of(Closed) == Closed(REWARD, home.owner.public_key, REWARD // RATE, str(home.usd))
    assert home.held(home.owner, home.usd) == REWARD // RATE


def test_an_owner_who_issues_the_asset_needs_no_line(home: Home) -> None:
    home.sells_usd()
    context, job = home.accepted(payout=home.usd.issuer, payout_asset=str(home.usd))
    assert closed(context, job).of(Closed).arrived == REWARD // RATE


@pytest.mark.parametrize("lacks", ["a line", "room", "a seller"])
def test_an_asset_that_the_owner_cannot_take_or_nobody_sells_comes_as_xlm(home: Home, lacks: str) -> None:
    home.sells_usd()
    asset = Asset("EUR", home.usd.issuer) if lacks == "a seller" else home.usd
    if lacks != "a line":
        home.trusts(asset, "1" if lacks == "room" else None)
    context, job = home.accepted(payout_asset=str(asset))
    assert closed(context, job).of(Closed) == Closed(REWARD, home.owner.public_key)


def test_a_way_that_is_longer_than_a_path_may_be_is_not_tried(home: Home) -> None:
    home.sells_usd()
    payout = Payout(home.bank.public_key, home.usd, None)
    for between, asset in ((4, home.usd), (5, XLM)):
        pay = Redemption(payout.to, UNIT, XLM, REWARD, (home.usd,) * between)
        assert converted(home.town.horizon, pay, REWARD, payout, home.account(home.bank)).asset == asset


def test_an_account_that_is_not_there_is_waited_for(home: Home) -> None:
    """The bid does not wait for it, and no fee is lost."""
    owner = Keypair.random()
    context, job = home.accepted(payout=owner.public_key)
    job = closed(context, job)
    assert (job.state, job.newest(Partly)) == (JobState.SETTLED, Partly())
    before = home.held(home.car)
    for _ in range(3):
        with pytest.raises(Waits, match=f"market.payout names {owner.public_key}, which is not on the ledger"):
            do(context, job, Step.CLOSE)
    assert home.held(home.car) == before
    home.town.net.fund(owner.public_key)
    assert closed(context, job).of(Closed) == Closed(REWARD, owner.public_key)


def test_an_account_that_wants_a_memo_is_refused(home: Home) -> None:
    """A custodian would not know whose money it is (SEP-29)."""
    home.town.apply([ManageData("config.memo_required", "1")], home.owner)
    context, job = home.accepted()
    job = closed(context, job)
    with pytest.raises(Waits, match="wants a memo of its own"):
        do(context, job, Step.CLOSE)
    home.town.apply([ManageData("config.memo_required", None)], home.owner)
    assert closed(context, job).of(Closed).paid == REWARD


def test_what_is_above_keep_goes_with_the_closing(home: Home) -> None:
    before = home.held(home.owner)
    context, job = home.accepted(keep="5")
    mine = home.held(home.car)
    job = closed(context, job)
    fee = mine - home.held(home.car) + before + REWARD - home.held(home.owner)
    assert home.held(home.car) == 5 * UNIT - fee
    assert job.of(Closed).paid == REWARD  # what was not earned is not told as earned
    assert 0 < fee < 10_000


def test_what_the_cars_other_trips_need_is_not_taken_away(home: Home) -> None:
    context, job = home.accepted(keep="0")
    waiting = do(context, advance(Job("trip-000002"), Opened(1000)), Step.CHOOSE)
    context.open_jobs = lambda: [job, waiting]
    closed(context, job)
    reserve_of_an_entry = 15_000_000
    assert reserve_of_an_entry < home.account(home.car).free(XLM) < 2 * reserve_of_an_entry


def test_a_car_with_less_than_it_should_keep_sends_nothing_and_is_paid_out(home: Home) -> None:
    context, job = home.accepted(keep="20000")
    mine = home.held(home.car)
    assert closed(context, job).of(Closed).paid == REWARD
    assert mine - 10_000 < home.held(home.car)


def said(home: Home, **market: Any) -> str:
    """What the doctor finds, as its sentence."""
    home.context(**market)
    config = load(home.folder / "car" / "milepost.toml")
    try:
        return account.payout(config)
    except MilepostError as error:
        return str(error)


def test_the_doctor_says_what_keeps_pay_back_and_what_it_comes_as(home: Home) -> None:
    owner, usd = home.owner.public_key, str(home.usd)
    away = Keypair.random().public_key
    assert said(home, payout=None) == "market.payout is not set: pay stays on the car."
    assert said(home) == f"Pay goes to {owner} as XLM."
    assert said(home, keep="5") == f"Pay goes to {owner} as XLM, 5.0000000 XLM stay here."
    assert "less than the 4.0100000 that an entry takes" in said(home, keep="4")
    assert "is the car's own account" in said(home, payout=home.car.public_key)
    assert f"{away}, which is not on the ledger. Pay waits" in said(home, payout=away)
    assert f"{owner} has no line of USD. Pay comes as XLM" in said(home, payout_asset=usd)
    home.trusts(home.usd)
    assert "Nobody buys and sells USD for XLM at one price" in said(home, payout_asset=usd)
    home.sells_usd()
    assert said(home, payout_asset=usd) == f"Pay goes to {owner} as USD."
    home.town.apply([ManageData("config.memo_required", "1")], home.owner)
    assert "wants a memo of its own with each payment" in said(home)
