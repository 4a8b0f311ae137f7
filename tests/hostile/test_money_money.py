"""Money that was reckoned wrong: told with the numbers that were promised, and those that were true."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import ChangeTrust, Keypair, ManageSellOffer, Payment, Price

from agent.core import experience
from agent.core.choice import Means, net_pay
from agent.core.experience import Deed, Odds
from agent.core.jobs.contribution import JobState, Lapsed, Step
from agent.core.jobs.fold import advance
from agent.core.ledger import Way
from agent.core.money import UNIT, XLM, text
from agent.ledger.envelope import build, opened, result_code, sdk_asset, signed
from agent.ledger.facts import price
from agent.market import entry
from agent.vehicle.offers import OPERATIONS, promised
from agent.vehicle.steps.choose import NoOffer
from agent.vehicle.steps.enter import NotEnough
from tests.core.test_choice import FAIR
from tests.hostile.steps import a_context, do, leave, stored
from tests.market.town import BASE, FEE, REWARD, Town, found
from tests.vehicle import trips
from tools.localnet.server import Localnet

DEAR = replace(FAIR, stake=50 * UNIT, fee=499 * UNIT // 10, stake_price=Fraction(1))
MEANS = Means(10**12, 10**12, 10**12, 0, 0, Odds(Fraction(9, 10), rejected=Fraction(1, 10)))
amounts = st.integers(1, 10**12)
weights = st.integers(0, 50)


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"))


def newcomer(town: Town) -> Keypair:
    """A car that may hold DLC and has none, nor a line of VLM."""
    key = Keypair.random()
    town.net.fund(key.public_key)
    town.apply([ChangeTrust(sdk_asset(town.dlc))], key)
    town.allow(key.public_key)
    return key


# --- (f)


def test_a_fee_of_nearly_the_stake_makes_an_offer_a_loss() -> None:
    """(f) Base 50 DLC, fee 49.9: the fee is kept of what is given back, so 26 XLM of gain were 13.9 of loss."""
    assert text(net_pay(DEAR, MEANS)) == "-13.9100000"


@pytest.mark.slow
@given(amounts, amounts, amounts, st.fractions(0, 9, max_denominator=97), st.fractions(0, 1, max_denominator=97),
       st.tuples(weights, weights, weights, weights).filter(any))  # fmt: skip
def test_the_net_pay_is_what_all_ends_together_leave_in_the_purse(
    reward: int, stake: int, fee: int, price: Fraction, share: Fraction, drawn: tuple[int, int, int, int]
) -> None:
    """(f) Each end played through with DLC in hand, each as often as it comes about."""
    accepted, idle, rejected, silent = (Fraction(each, sum(drawn)) for each in drawn)
    purse = {
        "accepted": (accepted, Fraction(share * reward), stake - fee),
        "idle": (idle, Fraction(0), stake - fee),
        "rejected": (rejected, Fraction(0), 0),
        "silent": (silent, Fraction(0), stake),
    }
    mean = sum(often * (lumens - 7 + (back - stake) * price) for often, lumens, back in purse.values())
    candidate = replace(DEAR, reward=reward, stake=stake, fee=fee, stake_price=price, share=share)
    assert net_pay(candidate, replace(MEANS, fees=7, odds=Odds(accepted, idle, rejected))) == mean // 1


# --- (s)


def test_a_crumb_of_cheap_stakes_keeps_no_entry_off(town: Town, tmp_path: Path) -> None:
    """(s) A stranger sells 0.0001 DLC 10 % below the operator's price; a car that has none still buys and enters."""
    stranger, car = town.driver(), newcomer(town)
    town.apply([ManageSellOffer(sdk_asset(town.dlc), sdk_asset(XLM), "0.0001", Price(45, 100))], stranger)
    mine = a_context(town, car, tmp_path, market={**_follow(town), "buy_stake_budget": "6"})
    job = do(mine, stored(mine), Step.SIGN)
    assert job.choice.offers[0]["cost"] == 105 * UNIT // 20 - 50
    assert Fraction(job.choice.offers[0]["stake_price"]) == Fraction(105 * UNIT // 20 - 50, BASE + FEE)
    job = do(mine, job, Step.SUBMIT, Step.SUBMIT)
    assert job.state.value == "entered"


def test_an_owner_never_pays_more_for_stakes_than_the_budget(town: Town, tmp_path: Path) -> None:
    """(s) However often offers of DLC are put up and taken back."""
    mine = a_context(town, newcomer(town), tmp_path, market={**_follow(town), "buy_stake_budget": "5.3"})
    for refusals in range(5):
        job = do(mine, replace(stored(mine), refusals=refusals), Step.SIGN)
        (buys,) = [
            o for o in opened(job.entry.envelope.envelope, town.net.passphrase).operations if hasattr(o, "send_max")
        ]
        assert buys.send_max in ("5.3", "5.3000000")
    assert entry.most(100, 0, 1000) == 102
    assert [entry.most(100, n, 130) for n in (1, 3, 4)] == [104, 116, 130]


# --- (oo)


@pytest.mark.parametrize("lacks", [0, 1])
@pytest.mark.parametrize("new", [False, True])
def test_what_the_chooser_says_fits_is_what_the_ledger_takes_to_the_stroop(
    town: Town, tmp_path: Path, new: bool, lacks: int
) -> None:
    """(oo) Reserve, fees and missing DLC: with the last stroop the entry is in a ledger, without it it is not."""
    car = newcomer(town) if new else town.driver()
    mine = a_context(town, car, tmp_path, market={**_follow(town), "buy_stake_budget": "9"}, ledger=_cheap(town))
    (ranked,) = mine.survey().ranked
    needed = ranked.candidate.reserve + (ranked.candidate.cost or 0)
    account, head = town.horizon.account(car.public_key), town.horizon.head()
    assert account is not None
    way = town.horizon.cost(town.dlc, ranked.candidate.missing, XLM) if new else None
    buy = replace(way, amount=way.amount * 2) if way else Way(0)
    operations = entry.entry(town.round, account, BASE, buy, head.closed_at)
    leave(town, car, needed + 100 * len(operations) - lacks)
    made = build(
        account.id, account.sequence + 1, operations, passphrase=town.net.passphrase, fee=100,
        max_time=head.closed_at + 300, memo=bytes(32),
    )  # fmt: skip
    sent = signed(made, car)
    town.horizon.hand_in(sent.envelope)
    applied = town.horizon.find(sent.hash)
    assert applied is not None
    assert applied.successful is not bool(lacks), result_code(applied.result)
    assert lacks == 0 or "LOW_RESERVE" in result_code(applied.result)


def test_a_car_that_could_not_carry_an_entry_is_told_before_it_trains(town: Town, tmp_path: Path) -> None:
    """(oo) With 0.6 XLM it trained the trip, then LOW_RESERVE."""
    rich, poor = town.driver(), town.driver()
    enough = 3 * UNIT // 2 + OPERATIONS * 100
    leave(town, rich, enough)
    ready = stored(a_context(town, rich, tmp_path / "rich", ledger=_cheap(town)))
    leave(town, poor, enough - 1)
    mine = a_context(town, poor, tmp_path / "poor", ledger=_cheap(town))
    says = r"an entry needs 1\.5000000 XLM as reserve, 0\.0001000 for fees, and 1\.5000999 are free"
    with pytest.raises(NoOffer, match=says):
        stored(mine)
    with pytest.raises(NotEnough, match=says):
        do(mine, ready, Step.SIGN)
    town.apply([Payment(poor.public_key, sdk_asset(XLM), "0.0000001")], town.operator)
    assert do(mine, ready, Step.SIGN).state.value == "signed"


def test_jobs_that_wait_for_the_ledger_keep_what_they_will_need(town: Town, tmp_path: Path) -> None:
    """(oo) Three trips without a network: each will take its reserve, stake and fees, and a new line but once."""
    car = newcomer(town)
    account = town.horizon.account(car.public_key)
    assert account is not None
    chosen = trips.chosen(model=town.round.model, stake=BASE, fee=FEE)
    jobs = [trips.job(chosen, state=JobState.STORED, name=f"trip-{n:06d}") for n in range(2)]
    owed = promised(jobs, account, 100)
    assert owed.xlm == 2 * (3 * UNIT // 2 + OPERATIONS * 100) + UNIT // 2
    assert owed.dlc == 2 * (BASE + FEE)
    poor = a_context(town, car, tmp_path / "car", jobs=jobs, market={**_follow(town), "buy_stake_budget": "9"})
    leave(town, car, owed.xlm + UNIT)
    (ranked,) = poor.survey().ranked
    assert re.search(r"and 1\.0\d+ are free|and 0\.99\d+ are free", ranked.lost), ranked.lost


# --- (pp)


def test_offers_are_reckoned_with_the_steps_that_this_car_makes(town: Town, tmp_path: Path) -> None:
    """(pp) 1 of 10 steps lately, and half of the credit for them: 2 of the 40 XLM are promised, not 40."""
    model = town.round.model
    deeds = [Deed(model, 1, 10, "accepted", UNIT // 20)] * 3
    (first,) = a_context(town, town.driver(), tmp_path / "a").survey().ranked
    (slow,) = a_context(town, town.driver(), tmp_path / "b", deeds).survey().ranked
    assert (first.candidate.steps, slow.candidate.steps, slow.candidate.planned) == (10, 1, 10)
    assert slow.candidate.share * slow.candidate.reward == REWARD // 20
    chance = experience.odds(0.9, deeds).accepted
    assert slow.net < chance * REWARD // 20 < first.net


# --- (qq)


def test_an_envelope_that_no_ledger_took_is_built_anew_with_a_higher_bid(town: Town, tmp_path: Path) -> None:
    """(qq) In a rush the same bid would lapse for ever. It doubles, up to what the owner allows."""
    mine = a_context(town, town.driver(), tmp_path, ledger={**_cheap(town), "max_fee_stroops": 1500})
    job, bids = stored(mine), []
    for _ in range(5):
        job = do(mine, job, Step.SIGN)
        envelope = opened(job.entry.envelope.envelope, town.net.passphrase)
        bids.append(_fee(job.entry.envelope.envelope, town) // len(envelope.operations))
        job = advance(job, Lapsed("nobody took it"))
    assert bids[0] <= 1500
    assert bids == [min(1500, bids[0] << n) for n in range(5)]
    assert bids[-1] == 1500


# --- (rr)


@pytest.mark.parametrize(("n", "d"), [(0, 1), (1, 0), (-1, 1), (2**31, 1), (1, 2**31)])
def test_a_price_that_no_ledger_holds_is_not_taken_from_a_server(n: int, d: int) -> None:
    """(rr) A price is two 32-bit integers above 0; another one is no answer of Horizon's."""
    with pytest.raises(ValueError):
        price({"n": n, "d": d})


@pytest.mark.slow
@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1), st.integers(1, UNIT))
def test_what_a_redemption_asks_for_is_never_more_than_the_offer_pays(n: int, d: int, credit: int) -> None:
    """(rr) Whatever the price, the least that a credit is redeemed for is below credit times reward, or one stroop."""
    reward = UNIT * d // n
    assert entry.least(credit, reward) <= max(1, Fraction(credit * reward, UNIT))


def _follow(town: Town) -> dict[str, object]:
    return {"initiators": [town.initiator.public_key], "operator": town.operator.public_key}


def _cheap(town: Town) -> dict[str, object]:
    return {"horizon": town.net.url, "passphrase": town.net.passphrase, "max_fee_stroops": 100}


def _fee(envelope: str, town: Town) -> int:
    from stellar_sdk import TransactionEnvelope

    return int(TransactionEnvelope.from_xdr(envelope, town.net.passphrase).transaction.fee)
