"""Envelopes: what was put in comes out, a signature is for one network, and nothing foreign is believed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Asset, Claimant, CreateClaimableBalance, Keypair, Payment, TransactionBuilder
from stellar_sdk.operation import Operation

from agent.core.money import UNIT
from agent.errors import Malformed
from agent.ledger.envelope import MAX_ENVELOPE, Signed, build, opened, result_codes, signed, stake_id, with_signatures
from agent.ledger.receipt import offer_ids, received

NETWORK = "Milepost Test ; 2026"
ALICE, BOB = Keypair.random(), Keypair.random()


def made(*operations: Operation, memo: bytes | None = b"\x01" * 32, key: Keypair = ALICE) -> Signed:
    some = operations or (Payment(BOB.public_key, Asset.native(), "1"),)
    envelope = build(ALICE.public_key, 41, some, passphrase=NETWORK, fee=100, max_time=1_900_000_000, memo=memo)
    return signed(envelope, key)


def test_an_envelope_says_what_its_author_put_in() -> None:
    envelope = made()
    read = opened(envelope.envelope, NETWORK)
    assert (read.source, read.sequence, read.max_time) == (ALICE.public_key, 42, 1_900_000_000)
    assert (envelope.sequence, envelope.max_time) == (42, 1_900_000_000)
    assert read.memo == b"\x01" * 32
    assert read.hash.hex() == envelope.hash
    assert isinstance(read.operations[0], Payment)
    assert opened(made(memo=None).envelope, NETWORK).memo is None


def test_a_text_memo_is_no_hash() -> None:
    from stellar_sdk import Account

    builder = TransactionBuilder(Account(ALICE.public_key, 1), NETWORK).add_text_memo("hello").set_timeout(0)
    envelope = builder.append_payment_op(BOB.public_key, Asset.native(), "1").build()
    assert opened(envelope.to_xdr(), NETWORK).memo is None


def test_a_signature_is_one_keys_on_one_network() -> None:
    envelope = made().envelope
    assert opened(envelope, NETWORK).is_signed_by(ALICE.public_key)
    assert not opened(envelope, NETWORK).is_signed_by(BOB.public_key)
    assert not opened(envelope, "Another Network").is_signed_by(ALICE.public_key)
    assert not opened(made(key=BOB).envelope, NETWORK).is_signed_by(ALICE.public_key)


def test_signatures_can_be_put_in_place_of_others() -> None:
    envelope = made(key=BOB)
    signature = ALICE.sign(bytes.fromhex(envelope.hash))
    again = with_signatures(envelope.envelope, NETWORK, [(ALICE.signature_hint(), signature)])
    assert again.hash == envelope.hash
    assert again.envelope == made().envelope
    forged = with_signatures(envelope.envelope, NETWORK, [(ALICE.signature_hint(), b"\x00" * 64)])
    assert not opened(forged.envelope, NETWORK).is_signed_by(ALICE.public_key)


def test_a_fee_bump_is_read_as_the_transaction_within() -> None:
    from stellar_sdk import TransactionEnvelope

    inner = TransactionEnvelope.from_xdr(made().envelope, NETWORK)
    bump = TransactionBuilder.build_fee_bump_transaction(BOB, 500, inner, NETWORK)
    bump.sign(BOB)
    read = opened(bump.to_xdr(), NETWORK)
    assert read.source == ALICE.public_key
    assert read.is_signed_by(ALICE.public_key)


def test_a_stake_has_a_name_before_it_is_on_the_ledger() -> None:
    stake = CreateClaimableBalance(Asset.native(), "1", [Claimant(BOB.public_key)])
    envelope = made(stake, stake).envelope
    names = [stake_id(envelope, NETWORK, operation) for operation in (0, 1)]
    assert len(set(names)) == 2
    assert all(len(name) == 64 and int(name, 16) for name in names)


@given(st.binary(max_size=400))
def test_bytes_from_anywhere_are_no_envelope(data: bytes) -> None:
    with pytest.raises(Malformed, match="an envelope"):
        opened(base64.b64encode(data).decode(), NETWORK)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_spoilt_envelope_is_another_one_or_none(at: int, change: int) -> None:
    envelope = made()
    data = bytearray(base64.b64decode(envelope.envelope))
    data[at % len(data)] ^= change
    try:
        read = opened(base64.b64encode(data).decode(), NETWORK)
    except Malformed:
        return
    assert not read.is_signed_by(ALICE.public_key)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "é", "A" * (MAX_ENVELOPE + 1)])
def test_what_is_no_base64_of_an_envelope_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="an envelope"):
        opened(text, NETWORK)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!"])
def test_what_is_no_result_is_refused(text: str) -> None:
    for read in (offer_ids, received):
        with pytest.raises(Malformed, match="a transaction result"):
            read(text)


def test_no_result_has_no_known_code() -> None:
    assert result_codes("") == ("UNKNOWN",)
    assert UNIT == 10**7
