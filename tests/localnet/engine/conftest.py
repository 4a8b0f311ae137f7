from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from stellar_sdk import Account as SdkAccount
from stellar_sdk import Asset, CreateAccount, Keypair, Operation, TransactionBuilder, TransactionEnvelope, xdr

from tools.localnet.engine import (
    NOBODY,
    PROTOCOL_19,
    Account,
    Admission,
    Applied,
    Change,
    Closed,
    Envelope,
    LedgerState,
    Queue,
    Rules,
    Store,
    admit,
    close,
    genesis,
    network_id,
    price,
    root_keypair,
)

PASSPHRASE = "Town ; 2026"
XLM = 10_000_000


class Town:
    """A small ledger with people in it, who are known by name. Whoever is named has a key."""

    def __init__(
        self, *names: str, rules: Rules = PROTOCOL_19, store: Store | None = None, capacity: int = 5000
    ) -> None:
        self.rules = rules
        self.queue = Queue()
        self.crowd = NOBODY
        self.state = LedgerState(store=store)
        first = genesis(PASSPHRASE, close_time=1_700_000_000, rules=rules, max_tx_set_size=capacity)
        self.state.commit(tuple(Change(entry.key, None, entry) for entry in first))
        if names:
            self.do("root", *(CreateAccount(self[name].public_key, "10000") for name in names))

    def __getitem__(self, name: str) -> Keypair:
        if name == "root":
            return root_keypair(PASSPHRASE)
        return Keypair.from_raw_ed25519_seed(hashlib.sha256(name.encode()).digest())

    def account(self, name: str) -> Account:
        account = self.state.account(self[name].public_key)
        assert account is not None, f"{name} has no account"
        return account

    def asset(self, code: str, issuer: str) -> Asset:
        return Asset(code, self[issuer].public_key)

    def builder(self, name: str, *, fee: int = 100, ahead: int = 0) -> TransactionBuilder:
        """A transaction of `name`, `ahead` numbers after its next sequence number."""
        account = SdkAccount(self[name].public_key, self.account(name).sequence + ahead)
        return TransactionBuilder(account, PASSPHRASE, base_fee=fee).add_time_bounds(0, 0)

    def sign(self, builder: TransactionBuilder, *signers: str) -> TransactionEnvelope:
        envelope = builder.build()
        for signer in signers:
            envelope.sign(self[signer])
        return envelope

    def envelope(
        self, name: str, *operations: Operation, signers: Sequence[str] = (), ahead: int = 0, fee: int = 100
    ) -> Envelope:
        """Signed by `name` and whoever else; `ahead` numbers after its next sequence number."""
        builder = self.builder(name, ahead=ahead, fee=fee)
        for operation in operations:
            builder.append_operation(operation)
        return self.decode(self.sign(builder, name, *signers))

    def fee_bump(self, payer: str, inner: Envelope, fee: int) -> Envelope:
        made = TransactionEnvelope.from_xdr(inner.base64, PASSPHRASE)
        bump = TransactionBuilder.build_fee_bump_transaction(self[payer], fee, made, PASSPHRASE)
        bump.sign(self[payer])
        return Envelope.decode(bump.to_xdr(), network_id(PASSPHRASE))

    def decode(self, envelope: TransactionEnvelope) -> Envelope:
        return Envelope.decode(envelope.to_xdr(), network_id(PASSPHRASE))

    def admit(self, envelope: Envelope, seconds: int = 0) -> Admission:
        """Submit; what may wait waits. `seconds` is how long ago the last ledger closed."""
        now = self.state.header.close_time + seconds
        admission = admit(self.state, envelope, now, self.queue, self.rules, self.crowd)
        if admission.status == "PENDING":
            self.queue.evict(admission.evicted)
            self.queue.add(envelope)
        return admission

    def close(self, *envelopes: Envelope, seconds: int = 5) -> Closed:
        """Close a ledger with these envelopes, or with what waits."""
        close_time = self.state.header.close_time + seconds
        batch = list(envelopes) or self.queue.nominate(self.state, close_time, self.rules, self.crowd)
        cost = price(self.state.header, batch, self.queue.scarce, self.crowd)
        closed = close(self.state, batch, close_time, self.rules, cost)
        self.state.commit(closed.changes)
        self.queue.closed(batch, self.rules)
        return closed

    def do(self, name: str, *operations: Operation, signers: Sequence[str] = ()) -> Applied:
        """One transaction in a ledger of its own."""
        return self.close(self.envelope(name, *operations, signers=signers)).transactions[0]


def told(result: bytes | None) -> Any:
    """A TransactionResult in words: {"fee_charged": …, "result": …}."""
    assert result is not None
    return xdr.TransactionResult.from_xdr_bytes(result).to_json_dict()


@pytest.fixture(name="told", scope="session")
def told_fixture() -> Any:
    return told


@pytest.fixture(name="Town", scope="session")
def town_class() -> type[Town]:
    return Town


@pytest.fixture
def town() -> Town:
    return Town("ann", "ben", "ivy")
