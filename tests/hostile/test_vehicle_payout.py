"""Whoever can take something away between a closing's signature and its ledger, or set a trap on the way to the owner:
the pay arrives, at its price, at the owner's account or nowhere."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import (
    AccountMerge,
    AuthorizationFlag,
    BumpSequence,
    ChangeTrust,
    ManageData,
    ManageSellOffer,
    PathPaymentStrictSend,
    Payment,
    Price,
    SetOptions,
)

from agent.core.jobs.contribution import Closed, JobState, Refused, Step
from agent.core.money import UNIT, XLM, text
from agent.ledger.envelope import opened, own_amount, sdk_asset
from agent.ledger.horizon import LedgerUnavailable
from agent.market import entry
from agent.vehicle.steps.close import Waits
from tests.hostile.steps import do
from tests.ledger.between import Answer, between, changed
from tests.market.town import REWARD, Prompt, Town, found
from tests.vehicle.owners import RATE, Home, closed
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"), committee=1)


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


def test_a_horizon_that_lies_about_the_ways_cannot_lower_what_xlm_must_arrive(home: Home) -> None:
    """A path that is none, a price that is none: the job waits, or the ledger itself pays the reward."""
    context, job = home.accepted(payout_asset=str(home.usd))
    with between(home.town.net.url) as front:
        liar = Prompt(home.town.net)
        liar.url = front.url
        context.horizon = liar

        def says(amount: str | None, between: int = 0) -> Answer:
            def one(record: dict[str, Any]) -> dict[str, Any]:
                path = record["path"] + [{"asset_type": "native"}] * between
                return {**record, "destination_amount": amount or record["destination_amount"], "path": path}

            return changed(lambda page: {"_embedded": {"records": [one(r) for r in page["_embedded"]["records"]]}})

        front.on(r"^/paths/strict-send", says(None, 6))
        with pytest.raises(LedgerUnavailable):
            do(context, job, Step.CLOSE)
        front.on(r"^/paths/strict-send", says("90.0000000"))
        job = do(context, job, Step.CLOSE, Step.COLLECT, Step.COLLECT)
        assert "UNDER_DESTMIN" in job.of(Refused).codes
        front.on(r"^/paths/strict-send", says("0.0000001"))
        job = do(context, job, Step.CLOSE, Step.COLLECT, Step.COLLECT)
        with pytest.raises(Waits, match="nobody pays"):
            do(context, job, Step.CLOSE)
        front.well()
        assert closed(context, job).of(Closed).paid == REWARD
        liar.close()


class Mischief:
    """Whatever somebody can do to an owner's account and to the asset's book, drawn at random."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        home.town.apply([SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE)], home.bank)
        self.frozen = self.memo = self.gone = False

    def done(self) -> None:
        moves = [self.book, self.trap, self.time, self.account]
        moves += [] if self.gone else [self.freeze, self.wants_a_memo]
        self.random.choice(moves)()

    def book(self) -> None:
        self.home.closes_its_book()
        if self.random.random() < 0.5:
            self.home.sells_usd()

    def trap(self) -> None:
        self.home.closes_its_book()
        usd, xlm = sdk_asset(self.home.usd), sdk_asset(XLM)
        self.home.town.apply([ManageSellOffer(usd, xlm, "1", Price(self.random.randint(4, 400), 1))], self.home.bank)

    def time(self) -> None:
        """Longer than a closing is valid."""
        self.home.town.net.close_ledger(advance=300)

    def freeze(self) -> None:
        self.frozen = not self.frozen
        if self.home.usd in self.home.account(self.home.owner).lines:
            self.home.lets_hold(freely=not self.frozen)

    def wants_a_memo(self) -> None:
        self.memo = not self.memo
        self.home.town.apply([ManageData("config.memo_required", "1" if self.memo else None)], self.home.owner)

    def account(self) -> None:
        """Merged away, or back again and without any line."""
        home = self.home
        if self.gone:
            home.town.net.fund(home.owner.public_key)
        else:
            if home.usd in home.account(home.owner).lines:
                if held := home.held(home.owner, home.usd):
                    home.lets_hold(freely=True)
                    home.town.apply([Payment(home.bank.public_key, sdk_asset(home.usd), text(held))], home.owner)
                home.trusts(home.usd, "0")
            if self.memo:
                self.wants_a_memo()
            home.town.apply([AccountMerge(home.bank.public_key)], home.owner)
        self.gone = not self.gone

    def over(self) -> None:
        """The account is there and takes what comes."""
        if self.gone:
            self.account()
        if self.memo:
            self.wants_a_memo()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_between_two_steps_the_owner_is_paid_once_and_the_car_never(home: Home, seed: int) -> None:
    context, job = home.accepted(payout_asset=str(home.usd))
    at_first, mischief = home.held(home.car), Mischief(home, seed)
    for _ in range(12):
        mischief.done()
        with suppress(Waits):
            job = do(context, job, Step.CLOSE if job.state is JobState.SETTLED else Step.COLLECT)
        if job.state is JobState.CLOSED:
            break
    mischief.over()
    for _ in range(6):
        if job.state is not JobState.CLOSED:
            job = do(context, job, Step.CLOSE if job.state is JobState.SETTLED else Step.COLLECT)
    assert job.state is JobState.CLOSED
    assert (job.of(Closed).paid, job.of(Closed).paid_to) == (REWARD, home.owner.public_key)
    assert home.held(home.car) < at_first
    (paid,) = payments(home)
    assert paid.destination.account_id == home.owner.public_key
    if (arrived := job.of(Closed).arrived) is None:
        assert own_amount(paid.dest_min) == entry.least(UNIT, REWARD)
    else:
        assert arrived * RATE > REWARD * 9 // 10


def payments(home: Home) -> list[Any]:
    """What the car has redeemed, in its successful transactions."""
    made = [t for t in home.town.history(home.car.public_key) if t.source == home.car.public_key]
    operations = [o for t in made for o in opened(t.envelope, home.town.net.passphrase).operations]
    return [o for o in operations if isinstance(o, PathPaymentStrictSend)]
