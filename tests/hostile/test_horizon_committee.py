"""What a Horizon that forgets cannot do: the chain, its purse and its envelopes outlive the ledger's history."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.documents import SettlementRecord
from agent.core.ledger import Account
from agent.core.purse import MAX_SHARES
from agent.errors import Malformed, Unavailable
from agent.ledger.envelope import opened
from agent.market import records
from agent.market.bundle import Shelf
from tests.core.chamber import Chamber, a_review
from tests.market.town import BASE, Town
from tests.validator.committee import House
from tests.validator.test_settling import honest, scaled


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", FolderStore(tmp_path / "content"))


def settled_chain(shelf: Shelf, length: int) -> list[tuple[str, SettlementRecord]]:
    """Records as a committee makes them, one entry each, pinned; oldest first."""
    chamber = Chamber(1)
    made: list[tuple[str, SettlementRecord]] = []
    for number in range(1, length + 1):
        chamber.enters(a_review(number, ledger=chamber.ledger))
        chamber.settle(ticks=3)
        record = chamber.applied[-1].record
        record = record.model_copy(update={"previous": made[-1][0] if made else None})
        made.append((str(records.pin(record, shelf.store)), record))
    return made


def account(entry: bytes | None) -> Account:
    data = {} if entry is None else {records.ENTRY: entry}
    return Account("G", 1, {}, {}, 1, data=data)


def test_the_whole_chain_is_read_from_one_data_entry_and_the_store(shelf: Shelf) -> None:
    """(y) No transaction is asked for."""
    made = settled_chain(shelf, 3)
    newest = records.newest(account(Cid.parse(made[-1][0]).digest))
    assert list(records.chain(shelf, newest)) == made[::-1]
    assert records.newest(account(None)) is None
    with pytest.raises(Malformed, match="no digest"):
        records.newest(account(b"short"))


def test_what_became_of_a_stake_is_read_from_the_records(shelf: Shelf) -> None:
    """(x) A settlement behind the horizon of history."""
    made = settled_chain(shelf, 3)
    first = made[0][1].entries[0]
    assert records.settled(shelf, made[-1][0], first.entry) == first
    assert records.settled(shelf, made[-1][0], first.entry, since=1) is None
    assert records.settled(shelf, made[-1][0], "ab" * 32) is None


def test_records_that_are_no_chain_are_told_from_one(shelf: Shelf) -> None:
    made = settled_chain(shelf, 2)
    gap = made[1][1].model_copy(update={"index": 5})
    with pytest.raises(Malformed, match="its index is 0, not 4"):
        list(records.chain(shelf, str(records.pin(gap, shelf.store))))


def test_a_record_is_kept_with_the_transaction_that_settled_it(shelf: Shelf) -> None:
    (_, record), _ = settled_chain(shelf, 2)
    cid = records.keep(record, "AAAA", shelf.store)
    assert records.keep(record, "AAAA", shelf.store) == cid
    assert records.kept(shelf, str(cid)) == (record, "AAAA")
    with pytest.raises(Malformed, match="does not hold"):
        records.kept(shelf, str(records.pin(record, shelf.store)))


def test_a_record_of_shares_leaves_room_for_its_digest() -> None:
    assert MAX_SHARES + 1 <= 100


# --- on a ledger


def forgets(house: House, account: str) -> None:
    """This settlement account's transactions are all behind the horizon of history."""
    for validator in house.validators.values():
        history = validator.parts.horizon.history

        def nothing(asked: str, history=history, **how: object) -> object:
            if asked == account:
                raise Unavailable(what="A history that goes so far back")
            return history(asked, **how)

        validator.parts.horizon.history = nothing  # type: ignore[method-assign]


@pytest.mark.slow
def test_a_chain_behind_the_horizon_of_history_goes_on_with_its_purse(town: Town, house: House) -> None:
    """(y) The committee must not unanimously start anew at index 0 and forget 10 DLC."""
    vehicle = town.driver()
    bad = town.enter(vehicle, town.contribution(vehicle, scaled(town.better(seed=1), -9)))
    house.settle(bad)
    before = house.chain_end()
    assert before.purse.forfeited == BASE
    for key in town.committee:
        house.restart(key.public_key)
    forgets(house, town.settlement)
    good = honest(town, 2)
    house.settle(good)
    after = house.chain_end()
    assert (after.index, after.purse.forfeited) == (before.index + 2, BASE)
    roll = town.shelf.record(str(after.cid)).previous
    assert town.shelf.record(str(roll)).previous == before.cid
    assert house.end(good).outcome == "accepted"


@pytest.mark.slow
def test_every_validator_keeps_the_envelope_as_the_ledger_has_it(town: Town, house: House) -> None:
    """(z) An audit needs no Horizon that remembers it."""
    entry_id = honest(town, 3)
    house.settle(entry_id)
    house.turn(2)
    end = house.chain_end()
    transaction = town.horizon.touching(entry_id)[-1]
    assert house.log.count("settlement.kept") >= 2
    record = town.shelf.record(str(end.cid))
    cid = records.keep(record, transaction.envelope, town.store)
    assert str(cid) in house.log
    kept, envelope = records.kept(town.shelf, str(cid))
    read = opened(envelope, town.net.passphrase)
    assert (read.hash.hex(), str(Cid.v0(read.memo))) == (transaction.hash, end.cid)
    assert sum(read.is_signed_by(k.public_key) for k in town.committee) == 2
    assert kept == record
