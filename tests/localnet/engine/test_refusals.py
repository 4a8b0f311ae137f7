"""What localnet cannot read or does not claim gets a clear no, never a traceback."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import (
    Asset,
    BeginSponsoringFutureReserves,
    ChangeTrust,
    EndSponsoringFutureReserves,
    Inflation,
    LiquidityPoolAsset,
    LiquidityPoolDeposit,
    ManageData,
    ManageSellOffer,
    Operation,
    Payment,
    Price,
    xdr,
)

from tools.localnet.engine import NATIVE, TODAY, Envelope, Offer, Undecodable, network_id
from tools.localnet.engine import Asset as EngineAsset
from tools.localnet.engine.envelope import MAX_ENVELOPE_BYTES

NETWORK = network_id("Town ; 2026")
POOL = "cd7e2ce2a2d4a5f1c6a4ae4ba2a4ad7cb3f0ac6c5a3f8a3ab0e3a4f1e1a8d6b2"


def unclaimed(town: Any) -> list[Operation]:
    pool = LiquidityPoolAsset(Asset.native(), town.asset("DLC", "ivy"))
    return [
        Inflation(),
        BeginSponsoringFutureReserves(town["ben"].public_key),
        EndSponsoringFutureReserves(),
        LiquidityPoolDeposit(POOL, "1", "1", Price(1, 2), Price(2, 1)),
        ChangeTrust(pool),
    ]


@pytest.mark.parametrize("which", range(5))
def test_unclaimed_operations_are_refused_as_not_supported(town: Any, told: Any, which: int) -> None:
    envelope = town.envelope("ann", ManageData("note", "x"), unclaimed(town)[which])
    admission = town.admit(envelope)
    assert admission.status == "ERROR"
    assert told(admission.result)["result"]["txfailed"][1] == "opnot_supported"
    applied = town.close(envelope).transactions[0]
    assert told(applied.result)["result"]["txfailed"][1] == "opnot_supported"
    assert town.state.data(town["ann"].public_key, "note") is None


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ("", "EOF"),
        ("not base64!", "not base64"),
        ("AAAA", "EOF"),
        ("é" * 8, "not base64"),
        (base64.b64encode(bytes(MAX_ENVELOPE_BYTES + 1)).decode(), "the limit is"),
        (base64.b64encode(bytes([255]) * 200).decode(), ""),
    ],
    ids=["empty", "not base64", "too short", "not ASCII", "too long", "no such type"],
)
def test_what_is_no_envelope_is_undecodable(envelope: str, reason: str) -> None:
    with pytest.raises(Undecodable, match="not a transaction envelope") as raised:
        Envelope.decode(envelope, NETWORK)
    assert reason in str(raised.value)


def test_trailing_bytes_and_dirty_padding_are_undecodable(town: Any) -> None:
    raw = town.envelope("ann", ManageData("n", "x")).xdr
    with pytest.raises(Undecodable):
        Envelope.decode(raw + bytes(4), NETWORK)
    dirty = raw.replace(b"n\0\0\0", b"n\0\0\1")
    assert dirty != raw
    with pytest.raises(Undecodable, match="padding"):
        Envelope.decode(dirty, NETWORK)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_decoder_fail_in_another_way(raw: bytes) -> None:
    with pytest.raises(Undecodable):
        Envelope.decode(raw, NETWORK)


@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=4))
def test_a_damaged_envelope_is_refused_or_judged_but_never_breaks_the_ledger(
    Town: Any, at: int, garbage: bytes
) -> None:
    town = Town("ann", rules=TODAY)
    raw = bytearray(town.envelope("ann", Payment(town["ann"].public_key, Asset.native(), "1")).xdr)
    at %= len(raw)
    raw[at : at + len(garbage)] = garbage
    try:
        envelope = Envelope.decode(bytes(raw), NETWORK)
    except Undecodable:
        return
    assert town.admit(envelope).status in ("PENDING", "ERROR")
    town.close(envelope)


@pytest.mark.parametrize("code", [b"\0\0\0\0", b"A\0B\0", b"A B\0", b"\xff\xfe\0\0", b"abc\x7f"])
def test_an_asset_code_with_odd_bytes_is_malformed(town: Any, told: Any, code: bytes) -> None:
    envelope = town.envelope("ann", Payment(town["ben"].public_key, town.asset("ABCD", "ivy"), "1"))
    raw = bytearray(envelope.xdr)
    at = raw.index(b"ABCD")
    raw[at : at + 4] = code
    # The SDK would not sign such a code, so the signature is made by hand.
    unsigned = Envelope.decode(bytes(raw), NETWORK)
    decoded = xdr.TransactionEnvelope.from_xdr_bytes(bytes(raw))
    decoded.v1.signatures = [town["ann"].sign_decorated(unsigned.hash).to_xdr_object()]
    admission = town.admit(Envelope.decode(decoded.to_xdr_bytes(), NETWORK))
    assert told(admission.result)["result"]["txfailed"][0] == {"opinner": {"payment": "malformed"}}


def test_a_ledger_that_contradicts_itself_fails_one_transaction_and_goes_on(town: Any, told: Any) -> None:
    """Such a ledger cannot come about by transactions; one that was tampered with must not stop the node."""
    asset = Asset.native(), town.asset("DLC", "ivy")
    nobody = Offer(1, town["nobody"].public_key, NATIVE, EngineAsset("DLC", town["ivy"].public_key), 10, 1, 1)
    town.state.load([nobody])
    taker = town.envelope("ivy", ManageSellOffer(asset[1], asset[0], "1", Price(1, 1)))
    before = town.account("ivy")
    closed = town.close(taker, town.envelope("ann", ManageData("note", "x")))
    assert told(closed.transactions[0].result) == {
        "fee_charged": "100",
        "result": "txinternal_error",
        "ext": "v0",
    }
    assert town.account("ivy").sequence == before.sequence + 1
    assert town.account("ivy").balance == before.balance - 100
    assert closed.transactions[1].successful
