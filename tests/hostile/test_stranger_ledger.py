"""Strangers: what anybody can buy against a vehicle for a coin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.ledger.horizon import Horizon
from agent.market import strikes as counting
from agent.market.strikes import StillCounting, strikes
from tests.ledger.between import Between, between
from tests.ledger.stakes import Road
from tools.localnet.server import Localnet


@pytest.fixture
def road() -> Iterator[Road]:
    with Localnet() as net:
        yield Road(net)


@pytest.fixture
def front(road: Road) -> Iterator[Between]:
    with between(road.net.url) as made:
        yield made


@pytest.mark.slow
def test_a_strangers_payments_do_not_slow_the_count(road: Road, front: Between) -> None:
    """(r) Payments of one stroop to a vehicle, hundreds for a thousandth of an XLM: what was read once is never read
    again, so that a count costs the same whatever came before."""
    horizon = Horizon(front.url, road.net.passphrase)
    road.settle(road.one, road.stake(road.one))
    road.rain(12)
    assert strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1) == 1
    before = len(front.asked)
    road.stake(road.one)
    assert strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1) == 1
    assert [p.partition("?")[0].rpartition("/")[2] for p in front.asked[before:]] == ["transactions", "", "operations"]
    horizon.close()


@pytest.mark.slow
def test_a_flood_is_read_in_turns(road: Road, front: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """(r) However many there are, a turn asks so much and no more, says so, and the next one goes on."""
    monkeypatch.setattr(counting, "PAGE", 3)
    monkeypatch.setattr(counting, "MOST_QUESTIONS", 4)
    horizon = Horizon(front.url, road.net.passphrase)
    road.settle(road.one, road.stake(road.one))
    road.rain(30)
    turns = 0
    while True:
        before = len(front.asked)
        try:
            found = strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1)
        except StillCounting as error:
            assert "goes on from there" in str(error)
            turns += 1
            assert len(front.asked) - before <= 6
        else:
            break
    assert found == 1
    assert turns >= 2
    horizon.close()


@pytest.mark.slow
def test_large_transactions_do_not_hide_the_rest(road: Road, front: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """(r) A stranger chooses how large the transactions are that name a vehicle: a page above the bound is asked for
    in smaller cuts, where it was "unavailable" for good."""
    monkeypatch.setattr("agent.ledger.connection.ANSWER_BYTES", 200_000)
    horizon = Horizon(front.url, road.net.passphrase)
    road.settle(road.one, road.stake(road.one))
    road.rain(8)
    assert strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1) == 1
    horizon.close()
