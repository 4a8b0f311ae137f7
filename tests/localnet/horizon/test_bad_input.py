"""What nobody should send gets an error document or meets a limit; the ledger goes on."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import stellar_sdk as op
from stellar_sdk import Asset, xdr

from tools.localnet.engine import Envelope, network_id

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    document = json.load(answer)
    connection.close()
    if answer.status >= 400 and "tx_status" not in document:
        assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        assert document["status"] == answer.status
        assert document["type"].startswith("https://stellar.org/horizon-errors/")
        assert "Traceback" not in json.dumps(document)
    return answer.status, document


def submit(url: str, text: str, path: str = "/transactions") -> tuple[int, dict[str, Any]]:
    return ask(url, "POST", path, urlencode({"tx": text}).encode(), FORM)


NONSENSE = {
    "no base64": "not base64 at all!",
    "an odd length": "AAA",
    "no XDR": base64.b64encode(b"hello").decode(),
    "nothing but zeros": base64.b64encode(bytes(400)).decode(),
    "all ones": base64.b64encode(b"\xff" * 400).decode(),
    "an endless list": base64.b64encode(bytes.fromhex("00000002") + bytes(60) + b"\x7f\xff\xff\xff" * 30).decode(),
    "letters of another alphabet": "ЖЖЖЖ",
}


@pytest.mark.parametrize("path", ["/transactions", "/transactions_async"])
@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_envelope_is_malformed_and_repeated(client: Any, name: str, path: str) -> None:
    status, document = submit(client.net.url, NONSENSE[name], path)
    assert (status, document["type"].rpartition("/")[2]) == (400, "transaction_malformed")
    assert document["extras"]["envelope_xdr"] == NONSENSE[name]


def test_an_envelope_with_a_tail_is_malformed(client: Any) -> None:
    envelope = client.envelope(client.account(), op.BumpSequence(0)).to_xdr_object().to_xdr_bytes()
    status, document = submit(client.net.url, base64.b64encode(envelope + bytes(4)).decode())
    assert (status, document["title"]) == (400, "Transaction Malformed")


def test_an_unknown_operation_type_is_malformed(client: Any) -> None:
    envelope = bytearray(client.envelope(client.account(), op.BumpSequence(0)).to_xdr_object().to_xdr_bytes())
    at = envelope.index(bytes.fromhex("0000000b"))
    envelope[at : at + 4] = bytes.fromhex("000000ff")
    assert submit(client.net.url, base64.b64encode(envelope).decode())[0] == 400


def test_an_operation_outside_what_localnet_claims_is_not_supported(client: Any) -> None:
    sender = client.account()
    envelope = client.envelope(sender, op.BeginSponsoringFutureReserves(client.account().public_key))
    status, document = submit(client.net.url, envelope.to_xdr())
    assert status == 400
    assert document["extras"]["result_codes"] == {
        "transaction": "tx_failed",
        "operations": ["op_not_supported"],
    }


def test_an_asset_code_with_odd_bytes_is_refused_by_the_ledger(client: Any) -> None:
    sender = client.account()
    envelope = client.envelope(sender, op.ChangeTrust(Asset("ABCD", client.account().public_key)))
    body = envelope.to_xdr_object()
    line = body.v1.tx.operations[0].body.change_trust_op.line
    line.alpha_num4.asset_code.asset_code4 = b"\xff:\x00B"
    odd = Envelope.decode(body.to_xdr(), network_id(client.net.passphrase))
    body.v1.signatures = [sender.sign_decorated(odd.hash).to_xdr_object()]
    status, document = submit(client.net.url, body.to_xdr())
    assert status == 400
    assert document["extras"]["result_codes"] == {"transaction": "tx_failed", "operations": ["op_malformed"]}


def test_a_body_of_ten_megabytes_is_too_large_whether_its_length_is_told_or_not(client: Any) -> None:
    big = b"tx=" + b"A" * 10_000_000
    for body in (big, (big[at : at + 65536] for at in range(0, len(big), 65536))):
        status, document = ask(client.net.url, "POST", "/transactions", body, FORM)
        assert (status, document["title"]) == (413, "Request Too Large")


def test_a_form_of_another_kind_is_not_taken(client: Any) -> None:
    for kind in ("application/json", "text/plain", ""):
        assert ask(client.net.url, "POST", "/transactions", b"{}", {"Content-Type": kind})[0] == 415


def test_a_multipart_form_is_taken(client: Any) -> None:
    body = b'--xx\r\nContent-Disposition: form-data; name="tx"\r\n\r\nAAAA\r\n--xx--\r\n'
    status, document = ask(
        client.net.url, "POST", "/transactions", body, {"Content-Type": "multipart/form-data; boundary=xx"}
    )
    assert (status, document["extras"]["envelope_xdr"]) == (400, "AAAA")


def test_a_form_without_the_field_says_which(client: Any) -> None:
    status, document = ask(client.net.url, "POST", "/transactions", b"other=1", FORM)
    assert (status, document["extras"]["invalid_field"]) == (400, "tx")


# address: the field that the answer must name
ODD = {
    "/ledgers?limit=-1": "limit",
    "/ledgers?limit=0": "limit",
    "/ledgers?limit=201": "limit",
    "/ledgers?limit=1e3": "limit",
    "/ledgers?limit=%D9%A3": "limit",
    "/ledgers?cursor=-1": "cursor",
    "/ledgers?cursor=99999999999999999999": "cursor",
    "/effects?cursor=1-x": "cursor",
    "/claimable_balances?cursor=17": "cursor",
    "/assets?cursor=USD": "cursor",
    "/trades?cursor=%00": "cursor",
    "/ledgers?order=sideways": "order",
    "/ledgers/-1": "ledger_id",
    "/ledgers/99999999999999999999": "ledger_id",
    "/accounts/nobody": "account_id",
    "/accounts/nobody/offers": "account_id",
    "/transactions/xyz": "tx_id",
    "/operations/x": "id",
    "/operations?join=ledgers": "join",
    "/offers/x": "offer_id",
    "/offers?seller=nobody": "seller",
    "/offers?selling=B%FFD:x": "selling",
    "/offers?selling_asset_type=credit_alphanum4&selling_asset_code=%00%FF": "selling_asset_code",
    "/offers?selling_asset_type=gold": "selling_asset_type",
    "/accounts?asset=native": "asset",
    "/accounts?asset=nonsense": "asset",
    "/assets?asset_code=%C3%A9": "asset_code",
    "/claimable_balances/123": "id",
    "/claimable_balances?claimant=x": "claimant",
    "/trades?base_asset_type=native": "counter_asset_type",
    "/trades?trade_type=barter": "trade_type",
    "/trade_aggregations": "base_asset_type",
    "/paths/strict-send?source_asset_type=native&source_amount=-1&destination_assets=native": "source_amount",
    "/paths/strict-send?source_asset_type=native&source_amount=1.00000001": "source_amount",
    "/paths/strict-send?source_asset_type=native&source_amount=1": "destination_account",
    "/paths/strict-receive?destination_asset_type=native&destination_amount=1": "source_account",
    "/friendbot": "addr",
    "/friendbot?addr=nobody": "addr",
}


@pytest.mark.parametrize("path", ODD)
def test_an_odd_parameter_is_named(client: Any, path: str) -> None:
    status, document = ask(client.net.url, "GET", path)
    assert status == 400
    assert document["extras"]["invalid_field"] == ODD[path]
    assert document["extras"]["reason"]


def test_accounts_want_exactly_one_filter(client: Any) -> None:
    for path in ("/accounts", "/accounts?signer=a&sponsor=b"):
        status, document = ask(client.net.url, "GET", path)
        assert (status, document["type"].rpartition("/")[2]) == (400, "invalid_accounts_params")


def test_an_order_book_wants_two_assets(client: Any) -> None:
    status, document = ask(client.net.url, "GET", "/order_book?selling_asset_type=native")
    assert (status, document["type"].rpartition("/")[2]) == (400, "invalid_order_book")


def test_unknown_addresses_and_methods_get_documents_too(client: Any) -> None:
    assert ask(client.net.url, "GET", "/nowhere")[0] == 404
    assert ask(client.net.url, "DELETE", "/ledgers")[0] == 405


def test_unknown_parameters_do_no_harm(client: Any) -> None:
    assert ask(client.net.url, "GET", "/ledgers?X-Client-Name=sdk&limit=1&x=%00")[0] == 200


@pytest.mark.slow
def test_a_thousand_idle_streams_do_not_stop_the_ledger(client: Any) -> None:
    host, port = urlsplit(client.net.url).netloc.split(":")
    request = b"GET /ledgers?cursor=now HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
    streams = []
    try:
        for _ in range(1000):
            one = socket.create_connection((host, int(port)), timeout=60)
            one.sendall(request)
            streams.append(one)
        for one in streams:
            assert b'data: "hello"' in read_until(one, b"\n\n\r\n")
        sequence = client.net.close_ledger()["ledger"]
        sender = client.account()
        assert client.server.load_account(sender.public_key)
        for one in streams:
            assert f'"sequence":{sequence}'.encode() in read_until(one, b"\n\n\r\n")
    finally:
        for one in streams:
            one.close()
    assert client.net.close_ledger()["ledger"] > sequence


def read_until(stream: socket.socket, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        found += stream.recv(65536)
    return found


def test_an_envelope_of_every_type_but_a_transaction_is_malformed(client: Any) -> None:
    for kind in xdr.EnvelopeType:
        if kind.value not in (0, 2, 5):
            text = base64.b64encode(kind.value.to_bytes(4, "big") + bytes(200)).decode()
            assert submit(client.net.url, text)[0] == 400
