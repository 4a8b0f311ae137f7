"""Sums that nobody has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.compose.vehicle import preferences
from agent.host.config import load
from agent.market import strikes
from agent.vehicle.offers import VehicleView, survey
from tests.market.town import Town, found
from tests.vehicle.test_offers import Car
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


@pytest.mark.slow
def test_a_stake_beyond_all_coin_loses_its_own_offer_and_no_other(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(ss) Strikes count everywhere: with a growth of 10 a few make a stake that no ledger can hold. Its price was
    asked for, Horizon's 400 was taken for an outage, and the car looked at nobody's offers any more."""
    driver = town.driver()
    account = town.horizon.account(driver.public_key)
    assert account is not None
    wants = preferences(load(Car(town, driver, tmp_path).config()))
    view = VehicleView(town.horizon, wants, account, town.horizon.head(), bid=100)
    monkeypatch.setattr(strikes, "strikes", lambda *_: 64)
    (ranked,) = survey(view, town.shelf, lambda *_: "").ranked
    assert "is above market.max_stake" in ranked.lost
