"""An envelope is read as the SDK wrote it, and known by the same hash."""

from __future__ import annotations

import pytest
from stellar_sdk import Account as SdkAccount
from stellar_sdk import Asset, HashMemo, Keypair, MuxedAccount, TransactionBuilder, TransactionEnvelope

from tools.localnet.engine import Envelope, network_id

PASSPHRASE = "Town ; 2026"


def build(source: str | MuxedAccount, *, v1: bool = True, signatures: int = 1) -> TransactionEnvelope:
    builder = TransactionBuilder(SdkAccount(source, 41), PASSPHRASE, base_fee=150, v1=v1)
    builder.add_time_bounds(10, 20).add_memo(HashMemo(bytes(32)))
    builder.append_payment_op(Keypair.random().public_key, Asset.native(), "1")
    envelope = builder.build()
    for _ in range(signatures):
        envelope.sign(Keypair.random())
    return envelope


@pytest.mark.parametrize("v1", [True, False], ids=["V1", "V0"])
@pytest.mark.parametrize("signatures", [0, 1, 3])
def test_a_transaction_has_the_hash_that_was_signed(v1: bool, signatures: int) -> None:
    made = build(Keypair.random().public_key, v1=v1, signatures=signatures)
    read = Envelope.decode(made.to_xdr(), network_id(PASSPHRASE))
    assert read.hash == made.hash()
    assert read.base64 == made.to_xdr()
    assert (read.sequence, read.fee_bid, read.operations_charged) == (42, 150, 1)
    bounds = read.transaction.preconditions
    assert (bounds.min_time, bounds.max_time, bounds.min_sequence) == (10, 20, None)
    assert len(read.transaction.signatures) == signatures


def test_a_hash_preimage_of_any_length_is_no_part_of_the_hash() -> None:
    for length in (1, 3, 4, 63, 64):
        made = build(Keypair.random().public_key)
        made.sign_hashx(bytes(length))
        assert Envelope.decode(made.to_xdr(), network_id(PASSPHRASE)).hash == made.hash()


def test_a_fee_bump_is_known_by_its_own_hash_and_holds_the_inner_one() -> None:
    inner = build(Keypair.random().public_key)
    payer = Keypair.random()
    bump = TransactionBuilder.build_fee_bump_transaction(payer, 300, inner, PASSPHRASE)
    bump.sign(payer)
    read = Envelope.decode(bump.to_xdr(), network_id(PASSPHRASE))
    assert read.hash == bump.hash()
    assert read.transaction.hash == inner.hash()
    assert (read.fee_source, read.fee_bid, read.operations_charged) == (payer.public_key, 600, 2)


def test_a_muxed_address_stands_for_its_account() -> None:
    key = Keypair.random().public_key
    read = Envelope.decode(build(MuxedAccount(key, 7)).to_xdr(), network_id(PASSPHRASE))
    assert read.source == read.fee_source == key
