"""A car whose pay, lines or round somebody takes away: what can be done is done, the rest waits and is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stellar_sdk import Keypair, ManageBuyOffer, ManageData, ManageSellOffer, Price

from agent.core.experience import deed
from agent.core.jobs.contribution import Closed, Job, JobState, Passed, Step
from agent.core.money import UNIT, XLM
from agent.errors import Malformed, Unavailable
from agent.ledger.envelope import sdk_asset
from agent.vehicle import steps
from agent.vehicle.context import StepContext
from agent.vehicle.steps.close import Waits, possible
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


def accepted(town: Town, mine: StepContext, car: Keypair, pays: bool = True) -> Job:
    job = entered(mine)
    accept(town, job, car.public_key, pays=pays)
    return do(mine, job, Step.WATCH)


def closed(mine: StepContext, job: Job) -> Job:
    return do(mine, job, Step.CLOSE, Step.COLLECT, Step.COLLECT)


def test_credit_that_its_issuer_froze_keeps_the_bid_and_its_reserve_from_nobody(
    town: Town, car: Keypair, mine: StepContext
) -> None:
    """(d) In a round of an older version, whose issuer could: the bid is withdrawn, the credit waits and is told."""
    job = accepted(town, mine, car)
    account, vlm = town.horizon.account(car.public_key), town.round.credit_asset
    assert account is not None
    frozen = replace(account, lines={**account.lines, vlm: replace(account.lines[vlm], authorized=False)})
    made = possible(mine, mine.terms(job), job, frozen, None, staked=False)
    assert "the issuer of VLMroad has frozen the 1.0000000 VLMroad" in made.waits
    assert [type(operation) for operation in made.operations] == [ManageBuyOffer]
    before = free(town, car)
    job = closed(mine, job)
    assert (job.state, job.of(Closed).paid) == (JobState.CLOSED, REWARD)
    assert free(town, car) > before + REWARD - UNIT // 10


def test_pay_that_is_withdrawn_costs_the_car_no_fee_for_each_look(town: Town, car: Keypair, mine: StepContext) -> None:
    """(d) A committee that credits and pays nothing: the initiator's sign is below the reward, and nobody else buys."""
    job = accepted(town, mine, car, pays=False)
    (offer,) = town.horizon.offers(town.initiator.public_key)
    xlm, dlm = sdk_asset(XLM), sdk_asset(town.round.model_asset)
    town.apply([ManageSellOffer(xlm, dlm, "0", Price(1, 40), offer_id=offer.id)], town.initiator)
    job = closed(mine, job)
    assert job.state is JobState.SETTLED
    assert town.horizon.offers(car.public_key) == []
    before = free(town, car)
    for _ in range(5):
        with pytest.raises(Waits, match=r"nobody pays 39\.9999998 XLM for 1\.0000000 VLMroad now"):
            do(mine, job, Step.CLOSE)
    assert free(town, car) == before
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(1, 39))], town.initiator)
    with pytest.raises(Waits, match="at best 39"):
        do(mine, job, Step.CLOSE)
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(1, 40))], town.initiator)
    job = closed(mine, job)
    assert job.state is JobState.CLOSED
    assert job.of(Closed).paid >= REWARD - 2


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


def test_a_sign_that_was_repriced_after_the_choice_changes_no_pay(town: Town, car: Keypair, mine: StepContext) -> None:
    """(a) Chosen for 40 XLM, and a tenth of one on the sign while the car trained: what is locked says the reward."""
    job = stored(mine)
    (offer,) = town.horizon.offers(town.initiator.public_key)
    xlm, dlm = sdk_asset(XLM), sdk_asset(town.round.model_asset)
    town.apply([ManageSellOffer(xlm, dlm, "100", Price(10, 1), offer_id=offer.id)], town.initiator)
    job = do(mine, job, Step.SIGN)
    assert (job.state, job.reward) == (JobState.SIGNED, REWARD)


def test_pay_that_is_used_up_after_the_choice_is_worth_no_stake(town: Town, car: Keypair, mine: StepContext) -> None:
    """Others have entered for all that is locked: nothing is staked."""
    job = stored(mine)
    assert town.round.pledge is not None
    for _ in range(town.round.pledge.amount // REWARD):
        other = town.driver()
        town.enter(other, None)
    job = do(mine, job, Step.SIGN)
    assert job.state is JobState.PASSED
    assert "0.0000000 XLM are locked for one more entry, less than one reward" in job.reason
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
    town.apply([ManageData("milepost/DLMroad", None)], town.initiator)
    assert steps.do(mine, job, Step.STORE) == [Passed(f"{town.round.model} is not offered any more")]


def test_an_accepted_entry_costs_its_fee_and_no_more(town: Town, car: Keypair, mine: StepContext) -> None:
    """(f) The number that `net` counts on is what the ledger keeps."""
    job = closed(mine, accepted(town, mine, car))
    account = town.horizon.account(car.public_key)
    assert account is not None
    assert job.state is JobState.CLOSED
    assert account.lines[town.dlc].free == DLC_EACH - FEE
