"""What a Horizon says, or cannot say, is no verdict on anybody's contribution."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair

from agent.core.ledger import Transaction
from agent.errors import Refused, Unavailable
from agent.host.logs import Log
from agent.ledger.horizon import Horizon
from agent.validator.entries import NoEntry, read
from agent.validator.guard import Guard
from tests.hostile.test_vehicle_admission import honest
from tests.market.town import Town
from tests.validator.bench import SETTLEMENT, Workbench, an_entry
from tests.validator.committee import House

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

    def forgets(*_: Any, **__: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        for validator in house.validators.values():
            patch.setattr(validator.parts.horizon, "page", forgets)
        entry_id = honest(town, 1)
        house.turn(5)
    assert house.end(entry_id) is None
    for key in town.committee:
        assert house.reviews(key.public_key)[entry_id] is None
    house.turn(1, advance=60)
    house.settle(entry_id, turns=80)
    assert house.end(entry_id).outcome == "accepted"


def test_a_stake_out_of_a_transaction_that_this_version_cannot_read_is_no_entry(tmp_path: Path) -> None:
    """(v) It holds an operation of a newer network: nobody votes on what cannot be read."""
    served = Workbench(tmp_path).rounds[0]
    stake = an_entry(Keypair.random().public_key, "").stake
    unreadable = Transaction("00" * 32, 15, 1000, True, stake.sponsor, "AAAAAgAAAAD/////", "")
    with pytest.raises(NoEntry, match="cannot be read"):
        read(unreadable, "a network", stake, SETTLEMENT.public_key, [served.round])


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
            assert entry_id in validator.parts.book.open
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [KeyError("x"), EOFError(), OSError(28, "No space left"), MemoryError(), RuntimeError()]
)
def test_no_part_of_a_validator_ends_its_loop(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """(aa) Whatever the ledger, the rounds, the committee or the settlements raise, the loop goes on and says so."""

    def raises(*_: Any, **__: Any) -> None:
        raise error

    validator = next(iter(house.validators.values()))
    parts = validator.parts
    for owner, name in (
        (parts.horizon, "head"),
        (parts.horizon, "stakes"),
        (parts.horizon, "touching"),
        (parts.rounds, "look"),
        (parts.settling, "hear"),
        (parts.settling, "speak"),
        (parts.reviewing._measurement, "measured"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, raises)
            entry_id = honest(town, hash(name) % 1000)
            validator.turn()
            validator.turn()
        town.net.close_ledger(advance=5)
    house.settle(entry_id, turns=120)
    assert house.end(entry_id).outcome == "accepted"
