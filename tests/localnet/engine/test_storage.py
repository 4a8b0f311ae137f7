"""A ledger that was closed is there after a restart, whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import (
    Asset,
    ChangeTrust,
    Claimant,
    ClaimPredicate,
    CreateClaimableBalance,
    ManageData,
    ManageSellOffer,
    Payment,
    Price,
    SetOptions,
    Signer,
)

from tools.localnet.engine import NATIVE, LedgerState, SqliteStore, close
from tools.localnet.engine.rows import entry_of, row_of


@pytest.fixture
def lively(Town: Any, tmp_path: Path) -> Any:
    """A town with an entry of every kind, kept in ledger.db."""
    town = Town("ann", "ivy", store=SqliteStore(tmp_path / "ledger.db"))
    asset = town.asset("DLC", "ivy")
    later = ClaimPredicate.predicate_or(
        ClaimPredicate.predicate_before_relative_time(60),
        ClaimPredicate.predicate_not(ClaimPredicate.predicate_unconditional()),
    )
    town.do("ann", ChangeTrust(asset))
    town.do("ivy", Payment(town["ann"].public_key, asset, "100"))
    town.do("ann", ManageSellOffer(asset, Asset.native(), "10", Price(1, 3)), ManageData("colour", b"\x00red"))
    town.do("ann", CreateClaimableBalance(asset, "1", [Claimant(town["ivy"].public_key, later)]))
    town.do("ann", SetOptions(signer=Signer.sha256_hash(bytes(32), 2), home_domain="ann.example"))
    return town


def test_a_restart_finds_the_same_ledger(lively: Any, tmp_path: Path) -> None:
    again = LedgerState(store=SqliteStore(tmp_path / "ledger.db"))
    assert {one.key: one for one in again} == {one.key: one for one in lively.state}
    assert again.state_hash() == lively.state.state_hash()
    asset = next(one.selling for one in again.book(*next(again.pairs())))
    assert again.best_offer(asset, NATIVE) == lively.state.best_offer(asset, NATIVE)
    assert len(again.owned_by(lively["ann"].public_key)) == 3


def test_every_entry_survives_its_row(lively: Any) -> None:
    for entry in lively.state:
        assert entry_of(row_of(entry)) == entry


def test_removed_entries_are_gone_after_a_restart(lively: Any, tmp_path: Path) -> None:
    lively.do("ann", ManageData("colour", None))
    again = LedgerState(store=SqliteStore(tmp_path / "ledger.db"))
    assert again.data(lively["ann"].public_key, "colour") is None
    assert again.state_hash() == lively.state.state_hash()


def test_a_close_that_cannot_be_written_did_not_happen(lively: Any) -> None:
    class FullDisk:
        def load(self) -> list[Any]:
            return []

        def write(self, changes: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    state = LedgerState(lively.state, FullDisk())
    before, entries = state.state_hash(), list(state)
    closed = close(state, [lively.envelope("ann", ManageData("more", "x"))], 1_800_000_000)
    with pytest.raises(sqlite3.OperationalError):
        state.commit(closed.changes)
    assert (state.state_hash(), list(state)) == (before, entries)


def test_the_engine_writes_within_the_transaction_of_its_caller(lively: Any) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    state = LedgerState(lively.state, SqliteStore(db))
    closed = close(state, [lively.envelope("ann", ManageData("more", "x"))], 1_800_000_000)
    db.execute("BEGIN")
    state.commit(closed.changes)
    assert db.execute("SELECT count(*) FROM entry").fetchone()[0] > 0
    db.execute("ROLLBACK")
    assert db.execute("SELECT count(*) FROM entry").fetchone()[0] == 0
