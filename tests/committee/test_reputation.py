"""What an account has done is read off the ledger, and a fresh account is no escape from strikes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import ChangeTrust, ClaimClaimableBalance, Keypair
from stellar_sdk import Payment as Pay

from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT
from agent.market import reputation, strikes
from agent.market.strikes import GRACE_LEDGERS
from tests.committee.hall import enrolled, hall, published
from tests.initiator.command import anybody, milepost
from tests.ledger.stakes import Road
from tests.market.rounds import a_round
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


def accept(road: Road, settled_by: Keypair, stake: str) -> None:
    """As a committee does: the stake less a fee, and a credit."""
    vlm = SdkAsset("VLMroad", road.other.public_key)
    road.apply([ChangeTrust(vlm)], road.vehicle)
    vehicle = road.vehicle.public_key
    operations = [ClaimClaimableBalance(BALANCE_V0 + stake), Pay(vehicle, road.sdk_dlc, "9.5")]
    if settled_by is road.one:
        road.apply([ChangeTrust(vlm)], road.one)
        road.apply([Pay(road.one.public_key, vlm, "1")], road.other)
    road.apply([*operations, Pay(vehicle, vlm, "0.5")], settled_by)


def test_each_stake_ends_in_one_of_six_ways(net: Localnet) -> None:
    road = Road(net)
    accept(road, road.one, road.stake(road.one))
    road.settle(road.one, road.stake(road.one), back="9.5")
    road.settle(road.one, road.stake(road.one))
    road.settle(road.other, road.stake(road.other))
    road.stake(road.one)
    found = reputation.look(road.horizon, road.vehicle.public_key, road.dlc)
    assert found.vehicle == {"accepted": 1, "idle": 1, "forfeited": 2, "silent": 0, "clawed": 0, "open": 1}
    assert found.by == {road.one.public_key: 1}


def test_a_fresh_account_stakes_what_a_newcomer_stakes_until_it_was_accepted(net: Localnet) -> None:
    """By this round's own settlement account: who has two accounts can settle with itself."""
    road = Road(net)
    vehicle = road.vehicle.public_key
    stake = {"asset": str(road.dlc), "base": 10 * UNIT, "fee": UNIT // 2, "newcomer": "4", "window_ledgers": 500}
    round_ = a_round(stake=stake, settlement=road.one.public_key)

    def due(ledger: int, grace: int = 0) -> int:
        return strikes.due(road.horizon, round_, vehicle, ledger, grace)

    assert due(road.now + 1) == 40 * UNIT
    accept(road, road.other, road.stake(road.other))
    for _ in range(GRACE_LEDGERS + 2):
        net.close_ledger()
    assert due(road.now + 1) == 40 * UNIT
    accept(road, road.one, road.stake(road.one))
    accepted_at = road.now
    assert due(road.now + 1) == 40 * UNIT  # on its way to validators it might be too new
    for _ in range(GRACE_LEDGERS + 2):
        net.close_ledger()
    assert due(road.now + 1) == due(road.now + 1, GRACE_LEDGERS) == 10 * UNIT
    road.settle(road.one, road.stake(road.one))
    assert due(road.now + 1) == 20 * UNIT  # a strike counts as ever
    for ledger in range(road.now + 1, accepted_at + GRACE_LEDGERS, -1):
        if due(ledger) < 40 * UNIT:  # what a vehicle reckons is never less than what validators ask for a little later
            assert due(min(ledger + GRACE_LEDGERS, road.now + 1), GRACE_LEDGERS) <= due(ledger)


@pytest.mark.slow
def test_who_is_asked_by_command(net: Localnet, tmp_path: Path) -> None:
    town = hall(net, tmp_path, 4)
    enrolled(town)
    published(town)
    house, good, bad = House(town, tmp_path), town.driver(), town.driver()
    entries = [
        town.enter(good, town.contribution(good, town.better(0.2, 0))),
        town.enter(bad, town.contribution(bad, town.better(0.2, 1), steps=1)),
    ]
    house.enrol(*entries)
    house.settle(*entries)
    house.close()
    config = anybody(town, tmp_path, f'[market]\noperator = "{town.operator.public_key}"\n')

    def who(account: str) -> dict[str, object]:
        told = milepost(config, "who", account, "--json")
        assert told.returncode == 0, told.stderr
        found: dict[str, object] = json.loads(told.stdout)
        return found

    driver = who(good.public_key)
    assert driver["vehicle"]["accepted"] == 1 and driver["accepted_by"] == {town.settlement: 1}
    (pays,) = who(town.initiator.public_key)["initiator"]
    assert pays["settlement"] == town.settlement and sum(pays["outcomes"].values()) == 2
    judges = [who(key.public_key) for key in town.committee]
    assert all(judge["validator"][0]["settlement"] == town.settlement for judge in judges)
    assert sum(judge["validator"][0]["signed"] for judge in judges) == 2 * judges[0]["validator"][0]["settlements"]
    assert all(judge["stated"] == "500 samples, steering" and judge["drawn_until"] for judge in judges)
    shown = milepost(config, "who", good.public_key)
    assert "stakes     1 accepted" in shown.stdout
    assert milepost(config, "who", "GNOBODY").returncode == 2
