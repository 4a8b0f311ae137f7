"""An initiator once more: rounds that are dated back, and rounds made so that honest work is turned down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.compose.vehicle import preferences
from agent.core.cid import Cid
from agent.core.jobs.contribution import Arrived, Fetched, Job, Opened, Passed, Step
from agent.core.jobs.fold import advance, fold
from agent.core.ledger import Line
from agent.core.money import UNIT, XLM
from agent.core.round import Round
from agent.errors import Unavailable
from agent.host.config import load
from agent.learn import weights
from agent.market import bundle, pledge, publish, round_accounts
from agent.vehicle import context as vehicle_context
from agent.vehicle import steps
from agent.vehicle.offers import VehicleView, survey, uncarried
from tests.hostile.steps import a_context, do, stored
from tests.market.rounds import a_round, settles
from tests.market.town import Numbers, Town, found
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path / "town")


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    made = House(town, tmp_path / "house")
    yield made
    made.close()


def publishes(town: Town, ledger: int, values: Numbers, **twists: object) -> str:
    """The town's initiator puts its next round on the ledger now, and dates it as it likes."""
    folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    before = town.round.pledge
    assert before is not None
    locked = before.model_copy(update={"until": before.until + 1})
    next_one = {"number": 1, "previous": town.cid, "figure": None, "ledger": ledger, "pledge": locked}
    document = Round.model_validate({**town.round.model_dump(), **next_one, **twists})
    files: dict[str, bytes | Path] = {
        bundle.GRAPH: folder / bundle.GRAPH,
        bundle.WEIGHTS: weights.dump(values),
        bundle.ROUND: document.to_bytes(),
    }
    cid: Cid = town.store.put(bundle.lay(town.folder / "next", files))
    sign = publish.Sign(str(cid), town.listed.offer.id, ledger)
    offered = publish.offer(document.model_asset, 100 * UNIT, 40 * UNIT, sign)
    town.apply([*offered, pledge.create(document, locked.amount)], town.initiator, memo=cid.digest)
    return str(cid)


@pytest.mark.slow
@pytest.mark.parametrize("is_here_before", [True, False])
def test_a_round_that_is_dated_back_makes_nobodys_update_a_copy_of_it(
    town: Town, house: House, is_here_before: bool
) -> None:
    """(l) The initiator reads an update that was entered, publishes it as its own next round, and dates that before
    the entry: then the honest update was "the step to a round published since", its stake gone."""
    if is_here_before:
        house.turn()
    driver, delta = town.driver(), town.better(0.2, 4)
    dated = town.horizon.head().sequence
    town.net.close_ledger()
    entry = town.enter(driver, town.contribution(driver, delta))
    step = {name: value + np.float32(0.5) * delta[name] for name, value in town.base.items()}
    late = publishes(town, dated, step)
    if is_here_before:
        house.settle(entry)
        assert house.end(entry).outcome == "accepted"
    else:  # the initiator's account names nothing that could be served: the stake goes back
        house.turn(6)
        assert house.end(entry) is None
    assert all(late not in v.parts.rounds.served for v in house.validators.values())
    assert "was published later" in str(next(iter(house.validators.values())).parts.rounds.troubles)


@pytest.mark.slow
def test_a_base_of_next_to_nothing_costs_no_car_its_stake(town: Town, tmp_path: Path) -> None:
    """(d) Any honest step is more than ten times as long as such a base, and was rejected with a strike. The car sees
    it before it enters."""
    tiny = {name: value * np.float32(1e-6) for name, value in town.base.items()}
    small = replace(town, cid=publishes(town, town.horizon.head().sequence + 1, tiny))
    driver = small.driver()
    made = a_context(small, driver, tmp_path / "car")
    job = do(made, advance(Job("trip-000001"), Opened(1000)), Step.CHOOSE)
    job = fold(job, [Fetched(), Arrived()])
    made.builder.home(job).mkdir(parents=True)
    assert "is plausible" in do(made, job, Step.FINISH).reason


@pytest.mark.slow
def test_a_car_that_was_told_no_operator_stakes_nobodys_coin(town: Town, tmp_path: Path) -> None:
    """(a) Without `market.operator` any issuer's DLC would do, the initiator's own too; so would another coin of the
    operator's."""
    path, driver = tmp_path / "milepost.toml", town.driver()
    path.write_text(f'[market]\ninitiators = ["{town.initiator.public_key}"]\n')
    account = town.horizon.account(driver.public_key)
    assert account is not None
    view = VehicleView(town.horizon, preferences(load(path)), account, town.horizon.head(), bid=100)
    market = survey(view, town.shelf, lambda *_: "")
    assert not market.ranked
    assert "not the DLC of market.operator" in market.passed_over[0]


@pytest.mark.slow
def test_a_line_that_was_opened_while_its_issuer_could_claw_back(town: Town) -> None:
    """(d) The flag stays on the line when the issuer has cleared its own: what is paid on it can be taken back."""
    driver = town.driver()
    account = town.horizon.account(driver.public_key)
    assert account is not None
    assert uncarried(account, town.round) == ""
    vlm = town.round.credit_asset
    marked = replace(account, lines={**account.lines, vlm: replace(account.lines[vlm], clawback=True)})
    assert "may take back what this account holds of VLMroad" in uncarried(marked, town.round)


@pytest.mark.slow
def test_a_newest_round_that_nobody_has_ends_a_job_after_a_day(town: Town, tmp_path: Path) -> None:
    """(h) Its contribution waited for ever, and with it the reserve that it was promised."""
    driver = town.driver()
    car = a_context(town, driver, tmp_path / "car")
    job = stored(car)
    sign = publish.Sign(str(Cid.v0(b"\x07" * 32)), town.listed.offer.id, town.horizon.head().sequence)
    town.apply(publish.offer(town.round.model_asset, 100 * UNIT, 40 * UNIT, sign), town.initiator)
    with pytest.raises(Unavailable):
        steps.do(car, job, Step.SIGN)
    long_ago = replace(sign, ledger=sign.ledger - 1)
    town.apply(publish.offer(town.round.model_asset, 100 * UNIT, 40 * UNIT, long_ago), town.initiator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vehicle_context, "PATIENCE_LEDGERS", 1)
        events = steps.do(car, job, Step.SIGN)
    assert events == [Passed(f"the round that {town.round.model} is offered for is not to be had")]


@pytest.mark.slow
def test_an_entry_applies_while_more_than_half_its_window_is_left(tmp_path: Path) -> None:
    """(e) In a short window an entry that a ledger took late could be taken back too soon, and was rejected for it."""
    with Localnet() as net:
        town = found(net, tmp_path / "town", review_window=60, turn=30)
        car = a_context(town, town.driver(), tmp_path / "car")
        entry = do(car, stored(car), Step.SIGN).entry
        assert entry.take_back_at - entry.envelope.max_time >= 60 // 2


def test_a_settlement_account_that_could_settle_nothing() -> None:
    """(a) Its signers are right, and no settlement would ever apply: every trip for it would be for nothing."""
    round_ = a_round()
    good, dlc = settles(round_), round_.stake_asset
    assert round_accounts.trusted(good, round_) == ""
    tight = {**good.lines, dlc: Line(0, limit=round_.stake.base)}
    assert "no room for the round's stakes" in round_accounts.trusted(replace(good, lines=tight), round_)
    for asset in (round_.model_asset, round_.credit_asset, XLM):
        poor = replace(good, lines={**good.lines, asset: Line(UNIT)})
        assert "that a settlement takes" in round_accounts.trusted(poor, round_)
