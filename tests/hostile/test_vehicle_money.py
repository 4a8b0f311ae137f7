"""A car whose pay, lines or round somebody takes away: what can be done is done, the rest waits and is told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import AuthorizationFlag, Keypair, ManageSellOffer, Price, SetOptions, SetTrustLineFlags
from stellar_sdk import TrustLineFlags as Flag

from agent.core.experience import deed
from agent.core.jobs.contribution import Closed, Job, JobState, Passed, Step
from agent.core.money import UNIT, XLM
from agent.errors import Malformed, Unavailable
from agent.ledger.envelope import sdk_asset
from agent.vehicle import steps
from agent.vehicle.context import StepContext
from agent.vehicle.steps.close import Waits
from tests.hostile.steps import a_context, accept, do, entered, free, stored
from tests.market.town import DLC_EACH, FEE, REVIEW_S, REWARD, Town, found
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        (tmp_path / "town").mkdir()
        yield found(net, tmp_path / "town", committee=1)


@pytest.fixture
def car(town: Town) -> Keypair:
    return town.driver()


@pytest.fixture
def mine(town: Town, car: Keypair, tmp_path: Path) -> StepContext:
    return a_context(town, car, tmp_path / "car")


def accepted(town: Town, mine: StepContext, car: Keypair) -> Job:
    job = entered(mine)
    accept(town, job, car.public_key)
    return do(mine, job, Step.WATCH)


def flags(town: Town, car: Keypair, *, take: Flag, give: Flag) -> None:
    """The initiator takes back what it let the car do with VLM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        vlm = sdk_asset(town.round.credit_asset)
        town.apply(
            [
                SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE),
                SetTrustLineFlags(car.public_key, vlm, clear_flags=take, set_flags=give),
            ],
            town.initiator,
        )


def closed(mine: StepContext, job: Job) -> Job:
    return do(mine, job, Step.CLOSE, Step.COLLECT, Step.COLLECT)


def test_credit_that_its_issuer_froze_keeps_the_bid_and_its_reserve_from_nobody(
    town: Town, car: Keypair, mine: StepContext
) -> None:
    """(d) The bid is withdrawn, the credit waits and is told, and is redeemed once the line is free again."""
    before = free(town, car)
    job = accepted(town, mine, car)
    flags(town, car, take=Flag.AUTHORIZED_FLAG, give=Flag.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG)
    job = closed(mine, job)
    assert job.state is JobState.SETTLED
    assert town.horizon.offers(car.public_key) == []
    with pytest.raises(Waits, match=r"the issuer of VLMroad has frozen the 1\.0000000 VLMroad"):
        do(mine, job, Step.CLOSE)
    flags(town, car, take=Flag.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG, give=Flag.AUTHORIZED_FLAG)
    job = closed(mine, job)
    assert (job.state, job.of(Closed).paid) == (JobState.CLOSED, REWARD)
    assert free(town, car) > before + REWARD - UNIT // 10


def test_pay_that_is_withdrawn_costs_the_car_no_fee_for_each_look(town: Town, car: Keypair, mine: StepContext) -> None:
    """(d) The initiator takes its offer off the book after the work was done, and puts it back in a week."""
    job = accepted(town, mine, car)
    (offer,) = town.horizon.offers(town.initiator.public_key)
    xlm, dlm = sdk_asset(XLM), sdk_asset(town.round.model_asset)
    town.apply([ManageSellOffer(xlm, dlm, "0", Price(1, 40), offer_id=offer.id)], town.initiator)
    job = closed(mine, job)
    assert job.state is JobState.SETTLED
    assert town.horizon.offers(car.public_key) == []
    before = free(town, car)
    for _ in range(5):
        with pytest.raises(Waits, match=r"nobody pays 39\.2000000 XLM for 1\.0000000 VLMroad now"):
            do(mine, job, Step.CLOSE)
    assert free(town, car) == before
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(1, 39))], town.initiator)
    with pytest.raises(Waits, match="at best 39"):
        do(mine, job, Step.CLOSE)
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(1, 40))], town.initiator)
    job = closed(mine, job)
    assert job.state is JobState.CLOSED
    assert job.of(Closed).paid > REWARD * 98 // 100


def test_a_stake_comes_back_also_when_the_round_has_left_the_store(town: Town, car: Keypair, mine: StepContext) -> None:
    """(e) What a closing needs of its round was written down with the entry: nobody can keep a stake by unpinning."""
    job = entered(mine)
    for kept in (mine.shelf.folder, town.folder / "content"):
        kept.rename(kept.with_name("gone"))
    with pytest.raises(Unavailable):
        mine.shelf.round(town.cid)
    town.net.close_ledger(advance=2 * REVIEW_S)
    job = closed(mine, do(mine, job, Step.WATCH))
    assert (job.outcome, job.state) == ("silent", JobState.CLOSED)
    account = town.horizon.account(car.public_key)
    assert account is not None
    assert account.lines[town.dlc].free == DLC_EACH


def test_a_stake_that_the_operator_does_not_let_the_car_hold_waits_and_the_bid_does_not(
    town: Town, car: Keypair, mine: StepContext
) -> None:
    """(d) The claim would fail, and everything with it: it waits for the operator's yes."""
    job = entered(mine)
    town.net.close_ledger(advance=2 * REVIEW_S)
    job = do(mine, job, Step.WATCH)
    town.horizon.hand_in(town.forbid(car.public_key).envelope)  # the ledger takes the bid off with it
    with pytest.raises(Waits, match=r"the operator does not let this account hold the 10\.0000000 DLC"):
        do(mine, job, Step.CLOSE)
    town.allow(car.public_key)
    assert closed(mine, job).state is JobState.CLOSED


def test_a_reward_that_fell_after_the_choice_is_what_the_entry_is_reckoned_with(
    town: Town, car: Keypair, mine: StepContext
) -> None:
    """(a) Chosen for 40 XLM, repriced to a tenth of one while the car trained: nothing is staked."""
    job = stored(mine)
    (offer,) = town.horizon.offers(town.initiator.public_key)
    xlm, dlm = sdk_asset(XLM), sdk_asset(town.round.model_asset)
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(10, 1), offer_id=offer.id)], town.initiator)
    job = do(mine, job, Step.SIGN)
    assert job.state is JobState.PASSED
    assert "below market.min_pay" in job.reason
    assert deed(job).steps == 10


@pytest.mark.parametrize("step", [Step.FETCH, Step.FINISH, Step.STORE, Step.SIGN])
def test_what_time_does_not_mend_ends_a_job_with_its_reason(
    town: Town, mine: StepContext, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(g) A trip that can never be entered is passed over; the next one is not kept waiting for ever."""
    job = stored(mine)

    def refuses(*_: object) -> object:
        raise Malformed(what="the round", why="its committee has an address that is none")

    for where, name in ((mine.shelf, "get"), (mine.builder, "finish"), (mine.shelf.store, "put")):
        monkeypatch.setattr(where, name, refuses)
    assert steps.do(mine, job, step) == [
        Passed("the round is malformed: its committee has an address that is none. It is not used.")
    ]  # fmt: skip


def test_a_store_that_is_away_for_good_holds_no_job_beyond_its_round(
    town: Town, mine: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(g) While the round is open the bundle waits for its store; once it is offered no more the job is passed over."""
    job = stored(mine)

    def away(*_: object) -> object:
        raise Unavailable(what="the store")

    monkeypatch.setattr(mine.shelf.store, "put", away)
    with pytest.raises(Unavailable):
        steps.do(mine, job, Step.STORE)
    (offer,) = town.horizon.offers(town.initiator.public_key)
    xlm, dlm = sdk_asset(XLM), sdk_asset(town.round.model_asset)
    town.apply([ManageSellOffer(xlm, dlm, "0", Price(1, 40), offer_id=offer.id)], town.initiator)
    assert steps.do(mine, job, Step.STORE) == [Passed(f"{town.round.model} is not offered any more")]


def test_an_accepted_entry_costs_its_fee_and_no_more(town: Town, car: Keypair, mine: StepContext) -> None:
    """(f) The number that `net` counts on is what the ledger keeps."""
    job = closed(mine, accepted(town, mine, car))
    account = town.horizon.account(car.public_key)
    assert account is not None
    assert job.state is JobState.CLOSED
    assert account.lines[town.dlc].free == DLC_EACH - FEE
