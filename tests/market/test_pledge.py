"""Pledged pay on a real localnet: nobody works for money that can be taken away."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import (
    AuthorizationFlag,
    Claimant,
    ClaimClaimableBalance,
    ClaimPredicate,
    CreateClaimableBalance,
    Keypair,
    ManageData,
    ManageSellOffer,
    Payment,
    SetOptions,
    SetTrustLineFlags,
    TrustLineFlags,
)

from agent.core import pay
from agent.core.cid import Cid
from agent.core.ids import CidText
from agent.core.jobs import addition
from agent.core.jobs.fold import Event
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, Stroops, stroops, text
from agent.core.record import MAX_ENTRIES
from agent.core.round import Round
from agent.errors import Refused
from agent.initiator import pay_trail, paying
from agent.initiator.book import Job, RoundBook
from agent.initiator.paying import TooLittle
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.market import pledge, publish, round_accounts
from agent.market.listing import publication
from tests.market.settling import applied, balances, drawn_up, not_before, redeems, refusal, settles
from tests.market.town import BASE, REWARD, Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    made = House(town, tmp_path / "house")
    yield made
    made.close()


# --- what an initiator tries (2.7)


def test_what_is_published_is_locked_and_said(town: Town) -> None:
    round_ = town.round
    assert round_.pledge is not None
    assert (round_.initiator, round_.pledge.reward) == (town.initiator.public_key, REWARD)
    assert round_.issuer != round_.initiator
    assert round_accounts.look(town.horizon, round_, town.horizon.account(town.settlement)) == ""
    (locked,) = balances(town)
    assert locked.amount == round_.pledge.amount == 1000 * UNIT
    assert round_.pledge.until >= pay.until(round_)


def test_the_initiator_cannot_take_pay_back_and_nobody_can_sign_for_the_issuer(town: Town) -> None:
    (locked,) = balances(town)
    assert "CANNOT_CLAIM" in refusal(town, ClaimClaimableBalance(BALANCE_V0 + locked.id), town.initiator)
    issuer, dlm = town.round.issuer, sdk_asset(town.round.model_asset)
    clear = TrustLineFlags.AUTHORIZED_FLAG
    warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader does with flags
    for tried in (
        Payment(town.initiator.public_key, dlm, "1000000", source=issuer),
        SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE, source=issuer),
        ManageData(publish.FACE, None, source=issuer),
        SetTrustLineFlags(town.settlement, dlm, clear_flags=clear, source=issuer),
    ):
        assert "BAD_AUTH" in refusal(town, tried, town.initiator)
    alone = ClaimClaimableBalance(BALANCE_V0 + locked.id, source=town.settlement)
    assert "BAD_AUTH" in refusal(town, alone, town.committee[0])


def test_a_car_is_paid_whatever_its_initiator_does_after_it_was_accepted(town: Town, house: House) -> None:
    """It withdraws its sign, asks for pay it never had, and takes the rest when its time is over; the car redeems a day
    later."""
    cars = [town.driver(), town.driver()]
    entries = [
        town.enter(car, town.contribution(car, town.better(0.2, seed))) for seed, car in enumerate(cars, start=1)
    ]
    (before,) = balances(town)
    house.settle(*entries)
    credits = [house.end(each).credit for each in entries]
    assert all(credits)
    due = sum(pay.due(credit, REWARD) for credit in credits)
    (rest,) = balances(town)
    assert rest.amount == before.amount - due
    sign = town.listed.offer
    gone = ManageSellOffer(sdk_asset(XLM), sdk_asset(sign.buying), "0", sdk_price(sign.price), offer_id=sign.id)
    town.apply([gone], town.initiator)
    assert "CANNOT_CLAIM" in refusal(town, ClaimClaimableBalance(BALANCE_V0 + rest.id), town.initiator)
    assert redeems(town, cars[0], credits[0], REWARD) >= credits[0] * REWARD // UNIT - 1
    made = publication(town.horizon, town.round, town.cid)
    assert made is not None
    assert list(pay_trail.faults(town.horizon, town.round, made)) == []
    assert town.round.pledge is not None
    town.net.close_ledger(close_time=town.round.pledge.until)
    town.apply([ClaimClaimableBalance(BALANCE_V0 + rest.id)], town.initiator)
    town.net.close_ledger(advance=86_400)
    assert redeems(town, cars[1], credits[1], REWARD) >= credits[1] * REWARD // UNIT - 1
    assert not [each for each in town.horizon.offers(town.settlement) if each.selling == XLM]
    assert list(pay_trail.faults(town.horizon, town.round, made)) == []


def test_a_settlement_that_counts_on_a_pledge_that_is_gone_moves_nothing_and_anew_its_entries_are_idle(
    tmp_path: Path,
) -> None:
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        assert town.round.pledge is not None
        car = town.driver()
        town.net.close_ledger(close_time=town.round.pledge.until - 100)
        (locked,) = balances(town)
        made = drawn_up(town, [(car, UNIT)], town.contribution(car, town.better(0.2, 1)))
        town.net.close_ledger(close_time=town.round.pledge.until)
        town.apply([ClaimClaimableBalance(BALANCE_V0 + locked.id)], town.initiator)
        assert "DOES_NOT_EXIST" in applied(town, made)
        assert balances(town) == []
        house = House(town, tmp_path / "house")
        (stake,) = town.horizon.stakes(town.settlement, town.dlc)
        house.settle(stake.id, advance=30)
        end = house.end(stake.id)
        house.close()
        assert end is not None
        assert (end.outcome, end.reason, end.returned) == ("idle", pay.LATE, BASE)


def test_as_many_as_a_record_holds_are_settled_at_once_and_redeemed_meanwhile(tmp_path: Path) -> None:
    """A settlement drawn up before others redeem applies after them."""
    with Localnet() as net:
        town = found(net, tmp_path / "town", budget="2000")
        cars = [town.driver() for _ in range(MAX_ENTRIES)]
        assert settles(town, [(car, UNIT) for car in cars[:8]]) == ""
        made = drawn_up(town, [(car, UNIT) for car in cars])
        for car in cars[:8]:
            assert redeems(town, car, UNIT, REWARD) >= REWARD - 1
        assert applied(town, made) == ""
        for car in cars:
            assert redeems(town, car, UNIT, REWARD) >= REWARD - 1


# --- any rewards, credits and orders


@pytest.mark.parametrize(
    "reward", ["13.3333333", "40.0000001", "99.9999937", "214.7483647", "0.0000001", "0.0001234", "7"]
)
def test_every_accepted_vlm_redeems_and_no_dust_is_left(tmp_path: Path, reward: str) -> None:
    """Random credits from a stroop up, random orders of settling, redeeming and lapsing."""
    dice, price = random.Random(reward), stroops(reward)
    with Localnet() as net:
        budget = text(max(24 * price, UNIT))
        town = found(net, tmp_path / "town", reward=reward, budget=budget)
        waiting: list[tuple[Keypair, Stroops]] = []
        small: list[Stroops] = []
        locked, earned = balances(town)[0].amount, 0
        for _ in range(5):
            credits = [
                dice.choice([1, 2, dice.randrange(1, UNIT), UNIT, dice.randrange(1, 2 * UNIT)]) for _ in range(3)
            ]
            batch = [(town.driver(), credit) for credit in credits]
            made = drawn_up(town, batch)
            if dice.random() < 0.2:
                continue  # it lapses: nothing has moved
            assert applied(town, made) == ""
            earned += sum(pay.due(credit, price) for credit in credits)
            waiting += batch
            dice.shuffle(waiting)
            while waiting and dice.random() < 0.6:
                _redeemed(town, *waiting.pop(), price, small)
        for each in waiting:
            _redeemed(town, *each, price, small)
        assert sum(each.amount for each in balances(town)) == locked - earned
        assert sum(each.amount for each in town.horizon.offers(town.settlement) if each.selling == XLM) <= 15
        account = town.horizon.account(town.settlement)
        assert account is not None
        held = account.lines[town.round.credit_asset].balance + account.lines[town.round.model_asset].balance
        assert held + 2 * sum(small) >= 2 * publish.ISSUED - 15  # DLM that came back, or are with whoever sold XLM


def _redeemed(town: Town, car: Keypair, credit: Stroops, price: Stroops, small: list[Stroops]) -> None:
    """What is worth less than a stroop no payment can deliver."""
    worth = credit * price // UNIT
    if worth < 1:
        small.append(credit)
        return
    assert redeems(town, car, credit, price) >= worth - 1


# --- what counts as a pledge (2.9)


def test_what_others_make_and_what_could_go_sooner_or_elsewhere_does_not_count(town: Town) -> None:
    round_, initiator = town.round, town.initiator.public_key
    assert round_.pledge is not None
    until, stranger = round_.pledge.until, Keypair.random()
    town.net.fund(stranger.public_key)
    at_once = Claimant(round_.settlement)

    def locks(key: Keypair, *claimants: Claimant) -> None:
        town.apply([CreateClaimableBalance(sdk_asset(XLM), "50", list(claimants))], key)

    before = balances(town)
    locks(stranger, at_once, Claimant(initiator, not_before(until)))
    locks(town.initiator, at_once, Claimant(initiator))
    locks(town.initiator, at_once, Claimant(initiator, not_before(until - 1)))
    locks(town.initiator, at_once, Claimant(initiator, not_before(until + 1)))
    locks(town.initiator, at_once, Claimant(stranger.public_key, not_before(until)))
    locks(town.initiator, at_once, Claimant(initiator, not_before(until)), Claimant(stranger.public_key))
    locks(town.initiator, at_once, Claimant(initiator, ClaimPredicate.predicate_before_absolute_time(until)))
    locks(town.initiator, Claimant(round_.settlement, not_before(until)), Claimant(initiator, not_before(until)))
    assert balances(town) == before
    locks(town.initiator, at_once, Claimant(initiator, not_before(until)))
    assert sorted(each.amount for each in balances(town)) == sorted([50 * UNIT, *(each.amount for each in before)])


def test_each_stake_that_waits_takes_a_reward_of_what_is_free(tmp_path: Path) -> None:
    with Localnet() as net:
        town = found(net, tmp_path / "town", budget="100")
        assert pledge.free(town.horizon, town.round) == 100 * UNIT
        car = town.driver()
        town.enter(car, Cid.v0(bytes(32)))
        assert pledge.free(town.horizon, town.round) == 100 * UNIT - REWARD
        assert town.round.pledge is not None
        last = town.round.pledge.until - town.round.review_window - pay.SPARE_S
        assert pledge.too_short(town.round, last, trip=False) == ""
        assert "a review may take 900 s" in pledge.too_short(town.round, last + 1, trip=False)
        assert pledge.too_short(town.round, last - pay.LONGEST_TRIP_S, trip=True) == ""
        assert "a trip and its review may take 8100 s" in pledge.too_short(town.round, last, trip=True)


def test_an_initiator_adds_once_however_often_it_asks_and_takes_back_what_is_due(tmp_path: Path) -> None:
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        publisher = publisher_of(town)
        assert town.round.pledge is not None
        paying.add(publisher, CidText(town.cid), town.round, 400 * UNIT)
        assert [each.amount // UNIT for each in balances(town)] == [1000, 400]
        (shown,) = paying.pledges(publisher, town.shelf)
        assert (shown.locked, shown.until) == (1400 * UNIT, town.round.pledge.until)
        with pytest.raises(TooLittle, match="are free"):
            paying.add(publisher, CidText(town.cid), town.round, 20_000 * UNIT)
        assert paying.reclaim(publisher) == 0
        net.close_ledger(close_time=town.round.pledge.until)
        assert paying.reclaim(publisher) == 1400 * UNIT
        assert paying.reclaim(publisher) == 0
        assert balances(town) == []


@pytest.mark.parametrize("written", [False, True])
def test_an_addition_that_is_cut_off_is_locked_once(tmp_path: Path, written: bool) -> None:
    """After it is signed, and after a ledger holds it."""
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        publisher = publisher_of(town)
        cut = Cut(publisher.book, addition.Locked if written else addition.Signed, written=not written)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(publisher.book, "record", cut)
            paying.add(publisher, CidText(town.cid), town.round, 400 * UNIT)
        publisher.book.journal.close()
        again = publisher_of(town)
        with pytest.raises(Refused, match=r"400\.0000000 are on their way"):
            paying.add(again, CidText(town.cid), town.round, 5 * UNIT)
        paying.add(again, CidText(town.cid), town.round, 400 * UNIT)
        assert [each.amount // UNIT for each in balances(town)] == [1000, 400]


class PowerCut(BaseException):
    """The process is gone."""


class Cut:
    """Writes down until an event comes: `written` that one too."""

    def __init__(self, book: RoundBook, event: type[Event], written: bool) -> None:
        self.record, self.event, self.written = book.record, event, written

    def __call__(self, job: str, happened: Event, at: float) -> Job:
        if not isinstance(happened, self.event):
            return self.record(job, happened, at)
        if self.written:
            self.record(job, happened, at)
        raise PowerCut


def test_a_publication_takes_earlier_pledges_back_and_says_what_is_lacking(tmp_path: Path) -> None:
    with Localnet() as net:
        town = found(net, tmp_path / "town", length=60)
        assert town.round.pledge is not None
        net.close_ledger(close_time=town.round.pledge.until)
        head = town.horizon.head()
        later = town.round.model_copy(update={"published_at": head.closed_at, "number": 1})
        plan = publisher_of(town, length=60).plan
        later = later.model_copy(update={"pledge": paying.pledged(plan, later, town.round.pledge)})
        assert later.pledge is not None
        assert later.pledge.until > town.round.pledge.until
        operations = paying.publication(town.horizon, later, publish.Sign(town.cid, 0, 9), head.closed_at)
        assert isinstance(operations[0], ClaimClaimableBalance)
        dear = later.model_copy(update={"pledge": later.pledge.model_copy(update={"amount": 20_000 * UNIT})})
        with pytest.raises(TooLittle, match="Publishing takes 20"):
            paying.publication(town.horizon, dear, publish.Sign(town.cid, 0, 9), head.closed_at)


def test_a_round_that_plans_more_than_it_locks_is_malformed(town: Town) -> None:
    round_ = town.round
    assert round_.pledge is not None
    for change in ({"amount": 2 * REWARD - 1}, {"reward": 2_147_483_649}):
        values = {**round_.model_dump(), "pledge": {**round_.pledge.model_dump(), **change}}
        with pytest.raises(ValueError, match=r"a pledge is at least|two 32-bit integers"):
            Round.model_validate(values)
