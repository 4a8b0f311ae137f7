"""Money that is reckoned wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import Claimant, CreateClaimableBalance

from agent.market.strikes import strikes
from tests.ledger.stakes import Road
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


@pytest.mark.slow
def test_a_liar_takes_its_strikes_along(net: Localnet) -> None:
    """(ss) Stakes in the same operator's DLC that another settlement account took count with every model; what was
    given back, taken back or is still open does not, nor what is in another asset."""
    road = Road(net)
    vehicle = road.vehicle.public_key
    begun_at = road.now
    for settled_by in (road.one, road.other):
        road.settle(settled_by, road.stake(settled_by))
    road.settle(road.one, road.stake(road.one), back="9.9")
    road.stake(road.one)
    gift = CreateClaimableBalance(SdkAsset.native(), "1", [Claimant(road.one.public_key)])
    road.apply([gift], road.vehicle)
    assert strikes(road.horizon, vehicle, road.dlc, begun_at, road.now + 1) == 2
    assert strikes(road.horizon, vehicle, road.dlc, road.now, road.now + 1) == 0
    road.settle(road.one, road.stake(road.one), road.stake(road.one))
    assert strikes(road.horizon, vehicle, road.dlc, begun_at, road.now + 1) == 4
    assert strikes(road.horizon, vehicle, road.dlc, begun_at, road.now) == 2
