"""Server-sent events, read as bytes and through the SDK's own stream clients."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import stellar_sdk as op
from stellar_sdk import Asset, Server, ServerAsync
from stellar_sdk.exceptions import BadRequestError

pytestmark = pytest.mark.slow

HELLO = {"retry": "1000", "event": "open", "data": '"hello"'}
BYEBYE = {"retry": "10", "event": "close", "data": '"byebye"'}


@contextmanager
def stream(url: str, path: str, headers: dict[str, str] | None = None) -> Iterator[Iterator[dict[str, str]]]:
    """The events of a stream as they come, comments left out."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    try:
        yield events(answer)
    finally:
        answer.close()
        connection.close()


def events(answer: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for raw in answer:
        line = raw.decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = value
        elif not line and event:
            yield event
            event = {}


@pytest.mark.slow
def test_a_stream_says_hello_gives_records_with_their_tokens_and_says_byebye_at_its_limit(
    client: Any,
) -> None:
    with stream(client.net.url, "/ledgers?limit=1") as found:
        hello, record, byebye = list(found)
    assert hello == HELLO
    assert byebye == BYEBYE
    assert record["id"] == json.loads(record["data"])["paging_token"]


def test_a_stream_goes_on_with_each_ledger(client: Any) -> None:
    with stream(client.net.url, "/ledgers?cursor=now") as found:
        assert next(found) == HELLO
        for _ in range(2):
            closed = client.net.close_ledger()["ledger"]
            assert json.loads(next(found)["data"])["sequence"] == closed


def test_last_event_id_goes_before_the_cursor(client: Any) -> None:
    for _ in range(3):
        client.net.close_ledger()
    with stream(client.net.url, "/ledgers?limit=1&cursor=0", {"Last-Event-ID": str(2 << 32)}) as found:
        assert json.loads(list(found)[1]["data"])["sequence"] == 3


def test_an_account_is_streamed_when_it_changes(client: Any) -> None:
    key = client.account()
    with stream(client.net.url, f"/accounts/{key.public_key}") as found:
        assert next(found) == HELLO
        first = next(found)
        assert "id" not in first
        client.net.close_ledger()  # nothing about the account
        client.apply(key, op.ManageData("a", b"b"))
        assert json.loads(next(found)["data"])["data"] == {"a": "Yg=="}


def test_an_object_that_vanishes_ends_its_stream_with_an_error(client: Any) -> None:
    key, heir = client.account(), client.account()
    with stream(client.net.url, f"/accounts/{key.public_key}") as found:
        next(found), next(found)
        client.apply(key, op.AccountMerge(heir.public_key))
        assert next(found)["event"] == "error"
        assert next(found) == BYEBYE


STREAMS = {
    "ledgers": lambda s, key: s.ledgers(),
    "transactions": lambda s, key: s.transactions().for_account(key.public_key),
    "operations": lambda s, key: s.operations().for_account(key.public_key),
    "payments": lambda s, key: s.payments().for_account(key.public_key),
    "effects": lambda s, key: s.effects().for_account(key.public_key),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_sdk_streams_records_from_now_on(client: Any, name: str) -> None:
    key = client.account()
    builder = STREAMS[name](client.server, key).cursor("now")
    found: list[dict[str, Any]] = []
    first = threading.Event()

    def listen() -> None:
        with Server(client.net.url) as server:
            for record in STREAMS[name](server, key).cursor(builder.params["cursor"]).stream():
                found.append(record)
                first.set()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    while not first.wait(0.05):
        client.apply(key, op.Payment(key.public_key, Asset.native(), "1"))
    listener.join()
    assert found[0]["paging_token"]


def test_an_order_book_and_an_accounts_offers_are_streamed(client: Any) -> None:
    seller, issuer = client.account(), client.account()
    asset = Asset("STREAM", issuer.public_key)
    client.apply(seller, op.ChangeTrust(asset))
    client.apply(seller, op.ManageSellOffer(Asset.native(), asset, "3", "2"))

    async def listen() -> Any:
        async with ServerAsync(client.net.url) as server:
            book = server.orderbook(Asset.native(), asset).stream()
            found = await anext(book)
            await book.aclose()
            return found

    assert asyncio.run(listen())["asks"][0]["amount"] == "3.0000000"
    with stream(client.net.url, f"/accounts/{seller.public_key}/offers") as found:
        next(found)
        offer = next(found)
    assert offer["id"] == json.loads(offer["data"])["id"]


def test_what_cannot_be_streamed_is_not_acceptable(client: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.net.url).netloc)
    for path in ("/offers", "/assets", "/claimable_balances"):
        connection.request("GET", path, headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.status == 406
        assert json.load(answer)["type"].endswith("/not_acceptable")
    connection.close()


def test_a_wrong_cursor_is_refused_before_the_stream_opens(client: Any) -> None:
    with pytest.raises(BadRequestError):
        client.server.ledgers().cursor("nonsense").call()
    connection = http.client.HTTPConnection(urlsplit(client.net.url).netloc)
    connection.request("GET", "/ledgers?cursor=nonsense", headers={"Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["extras"]["invalid_field"]) == (400, "cursor")
    connection.close()
