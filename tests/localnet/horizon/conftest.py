from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import stellar_sdk as op
from stellar_sdk import (
    Asset,
    AuthorizationFlag,
    Claimant,
    ClaimPredicate,
    Keypair,
    Price,
    Server,
    Signer,
    TransactionBuilder,
    TransactionEnvelope,
    TrustLineFlags,
)
from stellar_sdk.operation import Operation

from tools.localnet.server import Localnet


@dataclass
class Client:
    """A server process with a synchronous SDK client on it."""

    net: Localnet
    server: Server

    def envelope(self, signer: Keypair, *operations: Operation) -> TransactionEnvelope:
        account = self.server.load_account(signer.public_key)
        builder = TransactionBuilder(account, self.net.passphrase, base_fee=100)
        for operation in operations:
            builder.append_operation(operation)
        envelope = builder.add_time_bounds(0, 0).build()
        envelope.sign(signer)
        return envelope

    def apply(self, signer: Keypair, *operations: Operation) -> str:
        """Submit, close a ledger, and say under which hash it is there."""
        envelope = self.envelope(signer, *operations)
        self.server.submit_transaction_async(envelope)
        self.net.close_ledger()
        return envelope.hash_hex()

    def account(self) -> Keypair:
        key = Keypair.random()
        self.net.fund(key.public_key)
        return key


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Localnet() as net, Server(net.url) as server:
        yield Client(net, server)


@dataclass(frozen=True)
class Town:
    """A ledger on which every operation that localnet claims has been seen."""

    client: Client
    issuer: Keypair
    maker: Keypair
    taker: Keypair
    gold: Asset
    silver: Asset
    balance_id: str
    spent_balance_id: str
    offer_id: str
    failed: str
    """Hash of a transaction that is in a ledger and failed."""
    hashes: dict[str, str]


@pytest.fixture(scope="module")
def town(client: Client) -> Town:
    issuer, maker, taker = client.account(), client.account(), client.account()
    gold, silver = Asset("GOLD", issuer.public_key), Asset("SILVERCOIN", issuer.public_key)
    hashes = {}
    flags = AuthorizationFlag.AUTHORIZATION_REVOCABLE | AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED
    hashes["issuer"] = client.apply(issuer, op.SetOptions(set_flags=flags, home_domain="mint.example"))
    for key in (maker, taker):
        client.apply(key, op.ChangeTrust(gold), op.ChangeTrust(silver, limit="5000"))
        client.apply(
            issuer,
            op.Payment(key.public_key, gold, "1000"),
            op.Payment(key.public_key, silver, "1000"),
        )
    hashes["make"] = client.apply(
        maker,
        op.ManageSellOffer(gold, Asset.native(), "100", Price(2, 1)),
        op.ManageBuyOffer(Asset.native(), gold, "10", Price(1, 1)),
        op.CreatePassiveSellOffer(silver, gold, "50", Price(1, 2)),
    )
    hashes["take"] = client.apply(taker, op.ManageSellOffer(Asset.native(), gold, "20", Price(1, 2)))
    hashes["path"] = client.apply(
        taker,
        op.PathPaymentStrictSend(taker.public_key, Asset.native(), "4", silver, "1", [gold]),
        op.PathPaymentStrictReceive(taker.public_key, Asset.native(), "10", silver, "2", [gold]),
    )
    later = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_relative_time(3600))
    claimants = [Claimant(taker.public_key), Claimant(maker.public_key, later)]
    for name in ("kept", "claimed", "clawed"):
        hashes[name] = client.apply(maker, op.CreateClaimableBalance(gold, "5", claimants))
    ids = [
        one["id"]
        for one in client.server.claimable_balances().for_claimant(taker.public_key).call()["_embedded"]["records"]
    ]
    hashes["claim"] = client.apply(taker, op.ClaimClaimableBalance(ids[1]))
    hashes["clawback"] = client.apply(
        issuer,
        op.ClawbackClaimableBalance(ids[2]),
        op.Clawback(gold, taker.public_key, "1"),
        op.SetTrustLineFlags(taker.public_key, silver, clear_flags=TrustLineFlags.TRUSTLINE_CLAWBACK_ENABLED_FLAG),
    )
    hashes["options"] = client.apply(
        maker,
        op.SetOptions(
            low_threshold=0,
            med_threshold=1,
            high_threshold=1,
            signer=Signer.ed25519_public_key(taker.public_key, 1),
        ),
        op.ManageData("notes", b"hello"),
        op.BumpSequence(0),
    )
    gone = client.account()
    hashes["merge"] = client.apply(gone, op.AccountMerge(maker.public_key))
    failed = client.apply(taker, op.Payment(maker.public_key, gold, "999999"), op.BumpSequence(0))
    offers = client.server.offers().for_account(maker.public_key).call()["_embedded"]["records"]
    return Town(client, issuer, maker, taker, gold, silver, ids[0], ids[1], offers[0]["id"], failed, hashes)
