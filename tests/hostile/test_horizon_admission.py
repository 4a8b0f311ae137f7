"""What a Horizon says, or cannot say, is no verdict on anybody's contribution."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.ledger import Transaction
from agent.errors import Refused, Unavailable
from agent.host.logs import Log
from agent.ledger.horizon import Horizon
from agent.validator.guard import Guard
from tests.hostile.test_vehicle_admission import honest
from tests.market.town import REVIEW_S, Town, found
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    made = House(town, tmp_path)
    yield made
    made.close()
    town.net.close_ledger(advance=REVIEW_S)


FAILURES = {
    "410": Refused(what="a request to https://horizon", why="This horizon instance is configured to only track..."),
    "away": Unavailable(what="Horizon"),
    "untyped": KeyError("_embedded"),
    "broken": ValueError("AAA="),
}


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_history_that_cannot_be_had_forfeits_no_stake(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """(u) 410 before_history, or anything else, while strikes are counted: the entry waits and is settled later."""

    def forgets(*_: Any, **__: Any) -> Iterator[Transaction]:
        raise failure
        yield

    with monkeypatch.context() as patch:
        for validator in house.validators.values():
            patch.setattr(validator.parts.horizon, "history", forgets)
        entry_id = honest(town, 1)
        house.turn(5)
    assert house.end(entry_id) is None
    for key in town.committee:
        assert house.reviews(key.public_key)[entry_id] is None
    house.turn(1, advance=60)
    house.settle(entry_id, turns=80)
    assert house.end(entry_id).outcome == "accepted"


def test_nothing_that_is_raised_ends_the_daemon_and_each_piece_is_counted() -> None:
    """(aa) `result_xdr` of three zeros, or whatever else: passed over, said once, counted."""
    log = io.StringIO()
    guard = Guard(Log("debug", log, journald=False))

    def broken() -> None:
        raise EOFError("AAA=")

    for _ in range(3):
        assert guard("the settlements", broken) is None
    assert guard("the rounds", lambda: 5) == 5
    assert guard.failed("the settlements") and not guard.failed("the rounds")
    (trouble,) = guard.troubles
    assert "EOFError" in trouble and "3 times" in trouble
    assert log.getvalue().count("validator.failed") == 1
    guard("the settlements", lambda: None)
    assert guard.troubles == []


@pytest.mark.slow
def test_a_replica_that_is_late_ends_no_review(town: Town, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """(w) A list without the stake, from a replica that has not seen it yet, does not say that it is gone."""
    entry_id = honest(town, 2)
    house.turn(1)
    with monkeypatch.context() as patch:
        patch.setattr(Horizon, "stakes", lambda *_, **__: iter(()))
        town.net.close_ledger()
        for validator in house.validators.values():
            validator.turn()
            assert entry_id in validator.parts.docket.open
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"
