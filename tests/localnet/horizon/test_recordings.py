"""Real networks' ledgers, replayed into the history: whatever core has recorded, Horizon's documents can tell."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tools.conformance import entries_of, load, reason_to_skip, recordings
from tools.localnet.catalogue import CataloguedStore
from tools.localnet.database import open_database
from tools.localnet.engine import (
    PROTOCOL_19,
    Account,
    Change,
    ClaimableBalance,
    Envelope,
    LedgerState,
    Offer,
    SqliteStore,
    TrustLine,
    close,
    network_id,
)
from tools.localnet.horizon.accounts import account_record
from tools.localnet.horizon.claimable_balances import balance_record
from tools.localnet.horizon.effects import effect_record
from tools.localnet.horizon.offers import offer_record
from tools.localnet.horizon.operations import operation_record
from tools.localnet.horizon.trades import trade_record
from tools.localnet.horizon.transactions import transaction_record
from tools.localnet.node import transaction
from tools.localnet.record import Chapter, record, record_ledger


class Ledger:
    """What documents are read from: a database and a state, without a node's clock and queue."""

    def __init__(self, recording: dict[str, Any]) -> None:
        self.network = network_id(recording["network_passphrase"])
        self.db = open_database(None, recording["network_passphrase"])
        self.state = LedgerState(store=CataloguedStore(SqliteStore(self.db), self.db))
        first = tuple(Change(entry.key, None, entry) for entry in entries_of(recording["initial"]))
        with transaction(self.db):
            self.state.commit(first)
            for sequence in range(1, self.state.header.ledger_seq):
                self.db.execute(
                    "INSERT INTO ledger SELECT ?, '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 19, x'', 0, 0", [sequence]
                )
            record_ledger(self.db, self.state.header, 0, 0, 0, 0)

    def close(self, ledger: dict[str, Any]) -> None:
        envelopes = [Envelope.decode(one["envelope"], self.network) for one in ledger["applied"]]
        closed = close(self.state, envelopes, ledger["header"]["close_time"], PROTOCOL_19)
        with transaction(self.db):
            record(self.db, Chapter(closed))
            self.state.commit(closed.changes)

    def rows(self, sql: str) -> list[Any]:
        return self.db.execute(sql).fetchall()


def check_documents(ledger: Ledger) -> Counter[str]:
    """Render every row of the history, and count what was seen."""
    seen: Counter[str] = Counter()
    node: Any = ledger
    for row in ledger.rows(
        "SELECT history.*, ledger.closed_at FROM history JOIN ledger ON ledger.sequence = history.ledger"
    ):
        transaction_record(node, row, "http://x")
        seen["transactions"] += 1
    for row in ledger.rows("SELECT *, '' AS hash, 0 AS closed_at FROM operation"):
        seen[operation_record(node, row, "http://x")["type"]] += 1
    for row in ledger.rows("SELECT *, 0 AS closed_at FROM effect"):
        seen[effect_record(node, row, "http://x")["type"]] += 1
    for row in ledger.rows("SELECT * FROM trade"):
        trade = trade_record(node, row, "http://x")
        given, got = row["base_amount"], row["counter_amount"]
        if min(given, got) > 10_000:  # below, rounding may take more than a hundredth
            price = int(trade["price"]["n"]) / int(trade["price"]["d"])
            assert got / given == pytest.approx(price, rel=0.011)
    for entry in ledger.state:
        if isinstance(entry, Account):
            account_record(node, entry, "http://x")
        elif isinstance(entry, Offer):
            offer_record(node, entry, "http://x")
        elif isinstance(entry, ClaimableBalance):
            balance_record(node, entry, "http://x")
    return seen


def check_catalogue(ledger: Ledger) -> None:
    """The catalogue names what is in the state, no more and no less."""
    entries = list(ledger.state)
    offers = {(e.id, e.seller, str(e.selling), str(e.buying)) for e in entries if isinstance(e, Offer)}
    assert {tuple(row) for row in ledger.rows("SELECT * FROM offer")} == offers
    lines = {(str(e.asset), e.account) for e in entries if isinstance(e, TrustLine)}
    assert {tuple(row) for row in ledger.rows("SELECT * FROM line")} == lines
    signers = {
        (key, e.account)
        for e in entries
        if isinstance(e, Account)
        for key in [*(one.key for one in e.signers), *([e.account] if e.thresholds[0] else [])]
    }
    assert {tuple(row) for row in ledger.rows("SELECT * FROM signer")} == signers
    waiting = [e for e in entries if isinstance(e, ClaimableBalance)]
    assert {row[0] for row in ledger.rows("SELECT id FROM balance")} == {e.id for e in waiting}
    claimants = {(one.destination, e.last_modified, e.id) for e in waiting for one in e.claimants}
    assert {tuple(row) for row in ledger.rows("SELECT * FROM claimant")} == claimants


@pytest.mark.slow
def test_every_recorded_ledger_can_be_told_in_documents(shared: Path) -> None:
    seen: Counter[str] = Counter()
    for path in recordings([shared / "conformance/stellar/golden"]):
        recording = load(path)
        if reason_to_skip(recording):
            continue
        ledger = Ledger(recording)
        for closed in recording["ledgers"]:
            ledger.close(closed)
            check_catalogue(ledger)
        seen += check_documents(ledger)
        restored = LedgerState(store=SqliteStore(ledger.db))
        assert restored.state_hash() == ledger.state.state_hash()
        ledger.db.close()
    assert seen["transactions"] > 1000
    assert {"trade", "signer_removed", "data_updated", "trustline_removed", "sequence_bumped"} <= seen.keys()
    assert {"clawback", "set_trust_line_flags", "allow_trust", "path_payment_strict_receive"} <= seen.keys()
