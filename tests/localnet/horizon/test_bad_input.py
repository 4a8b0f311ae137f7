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
    for kind in ("application/json", "text/plain"):
        assert ask(client.net.url, "POST", "/transactions", b"{}", {"Content-Type": kind})[0] == 415


def test_a_multipart_form_is_taken(client: Any) -> None:
    body = b'--xx\r\nContent-Disposition: form-data; name="tx"\r\n\r\nAAAA\r\n--xx--\r\n'
    status, document = ask(
        client.net.url, "POST", "/transactions", body, {"Content-Type": "multipart/form-data; boundary=xx"}
    )
    assert (status, document["extras"]["envelope_xdr"]) == (400, "AAAA")


def test_a_form_without_the_field_is_a_malformed_transaction(client: Any) -> None:
    for kind in (FORM, {"Content-Type": ""}):
        status, document = ask(client.net.url, "POST", "/transactions", b"other=1", kind)
        assert (status, document["title"], document["extras"]) == (400, "Transaction Malformed", {"envelope_xdr": ""})


ACCOUNT = "Account ID must start with `G` and contain 56 alphanum characters"
ASSET = 'Asset must be the string "native" or a string of the form "Code:IssuerAccountID" for issued assets.'
CODE = "Asset code must be 1-12 alphanumeric characters"
OFFER = "Offer ID must be an integer higher than 0"
TYPE = "Asset type must be native, credit_alphanum4 or credit_alphanum12"
WHO = "GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7"

# address: the field that the answer must name, and Horizon's reason
ODD = {
    "/ledgers?limit=-1": ("limit", "invalid limit: non-positive value provided"),
    "/ledgers?limit=0": ("limit", "invalid limit: non-positive value provided"),
    "/ledgers?limit=201": ("limit", "invalid limit: value provided that is over limit max of 200"),
    "/ledgers?limit=1e3": ("limit", "unparseable value"),
    "/ledgers?limit=%D9%A3": ("limit", "unparseable value"),
    "/ledgers?cursor=-1": ("cursor", "the cursor -1 is a negative number: "),
    "/ledgers?cursor=99999999999999999999": ("cursor", "cursor: invalid value"),
    "/effects?cursor=1-x": ("cursor", "cursor: invalid value"),
    "/claimable_balances?cursor=17": (
        "cursor",
        "The first part should be a number higher than 0 and the second part should be a valid claimable balance ID",
    ),
    "/assets?cursor=USD": ("cursor", "the cursor is not a valid paging_token"),
    "/trades?cursor=%00": ("cursor", "cursor: invalid value"),
    "/ledgers?order=sideways": ("order", "order: invalid value"),
    "/ledgers/-1": ("ledger_id", "Ledger ID must be an integer higher than 0"),
    "/ledgers/99999999999999999999": ("ledger_id", "Ledger ID must be an integer higher than 0"),
    "/accounts/nobody": ("account_id", ACCOUNT),
    "/accounts/nobody/offers": ("account_id", ACCOUNT),
    "/accounts/nobody/transactions": ("account_id", ACCOUNT),
    "/accounts?signer=BAD": ("signer", ACCOUNT),
    "/accounts?sponsor=BAD": ("sponsor", ACCOUNT),
    "/transactions/xyz": ("tx_id", "Transaction hash must be a hex-encoded, lowercase SHA-256 hash"),
    f"/transactions/{'AB' * 32}": ("tx_id", "Transaction hash must be a hex-encoded, lowercase SHA-256 hash"),
    "/transactions?include_failed=maybe": ("include_failed", "Filter should be true or false"),
    "/operations/x": ("id", 'schema: error converting value for "id"'),
    "/operations/x/effects": ("op_id", "Operation ID must be an integer higher than 0"),
    "/operations?join=ledgers": ("join", "Accepted values: transactions"),
    "/offers/x": ("offer_id", OFFER),
    "/offers/x/trades": ("offer_id", OFFER),
    "/offers?seller=nobody": ("seller", ACCOUNT),
    "/offers?selling=B%FFD:x": ("selling", ASSET),
    f"/offers?selling_asset_type=credit_alphanum4&selling_asset_code=%00%FF&selling_asset_issuer={WHO}": (
        "selling_asset_code",
        CODE,
    ),
    "/offers?selling_asset_type=credit_alphanum4&selling_asset_code=A": ("selling_asset_issuer", "Missing parameter"),
    "/offers?selling_asset_type=gold": ("selling_asset_type", TYPE),
    "/accounts?asset=native": ("asset", "you can't filter by asset: native"),
    "/accounts?asset=nonsense": ("asset", ASSET),
    "/assets?asset_code=%C3%A9": ("asset_code", "é is not a valid asset code"),
    "/assets?asset_issuer=x": ("asset_issuer", "x is not a valid asset issuer"),
    "/claimable_balances/123": ("id", "123 does not validate as claimableBalanceID"),
    "/claimable_balances/123/operations": (
        "claimable_balance_id",
        "123 does not validate as claimableBalanceID",
    ),
    "/claimable_balances?claimant=x": ("claimant", ACCOUNT),
    "/trades?base_asset_type=native": (
        "base_asset_type,counter_asset_type",
        "this endpoint supports asset pairs but only one asset supplied",
    ),
    "/trades?trade_type=barter": ("trade_type", "Trade type must be all, orderbook, or liquidity_pool"),
    "/trade_aggregations": ("base_asset_type", "Missing required field"),
    "/paths/strict-send?source_asset_type=native&source_amount=-1&destination_assets=native": (
        "source_amount",
        "Amount must be positive",
    ),
    "/paths/strict-send?source_asset_type=native&source_amount=1.00000001": (
        "source_amount",
        "Amount must be positive",
    ),
    "/paths/strict-send?source_asset_type=native&source_amount=1&destination_assets=x": (
        "destination_assets",
        "x is not a valid asset",
    ),
    "/paths/strict-receive?destination_amount=1": ("destination_asset_type", "non zero value required"),
}


@pytest.mark.parametrize("path", ODD)
def test_an_odd_parameter_is_named_in_horizons_words(client: Any, path: str) -> None:
    status, document = ask(client.net.url, "GET", path)
    assert (status, document["title"]) == (400, "Bad Request")
    assert document["detail"] == "The request you sent was invalid in some way."
    assert (document["extras"]["invalid_field"], document["extras"]["reason"]) == ODD[path]


@pytest.mark.parametrize("path", ["/friendbot", "/friendbot?addr=nobody"])
def test_friendbot_wants_an_account(client: Any, path: str) -> None:
    status, document = ask(client.net.url, "GET", path)
    assert (status, document["extras"]["invalid_field"]) == (400, "addr")


@pytest.mark.parametrize(("side", "other"), [("send", "destination"), ("receive", "source")])
def test_a_path_wants_an_account_or_a_list_at_its_other_end(client: Any, side: str, other: str) -> None:
    here = "source" if side == "send" else "destination"
    path = f"/paths/strict-{side}?{here}_asset_type=native&{here}_amount=1"
    status, document = ask(client.net.url, "GET", path)
    assert (status, document["detail"]) == (
        400,
        f"The request requires either a list of {other} assets or a {other} account. Both fields cannot be present.",
    )
    assert "extras" not in document


def test_a_path_for_an_account_that_is_not_there_is_none(client: Any) -> None:
    path = f"/paths/strict-send?source_asset_type=native&source_amount=1&destination_account={WHO}"
    status, document = ask(client.net.url, "GET", path)
    assert (status, document["_embedded"]["records"]) == (200, [])


def test_accounts_want_exactly_one_filter(client: Any) -> None:
    for path in ("/accounts", f"/accounts?signer={WHO}&sponsor={WHO}"):
        status, document = ask(client.net.url, "GET", path)
        assert (status, document["type"].rpartition("/")[2]) == (400, "invalid_accounts_params")
        assert document["detail"].startswith("Exactly one filter is required. ")


def test_the_first_ledger_is_number_one(client: Any) -> None:
    assert ask(client.net.url, "GET", "/ledgers/0")[0] == 410
    assert ask(client.net.url, "GET", "/ledgers/1")[0] == 200
    assert ask(client.net.url, "GET", "/ledgers/99999999")[0] == 404


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
