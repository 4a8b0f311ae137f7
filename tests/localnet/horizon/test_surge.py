"""A ledger that is too small for all who want to be in it: whoever bids more goes first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from stellar_sdk import Keypair, Server, TransactionBuilder, TransactionEnvelope
from stellar_sdk import ManageData as Data

from tests.localnet.horizon.conftest import Client
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

CAPACITY = 3


@pytest.fixture
def client() -> Iterator[Client]:
    with Localnet(surge=CAPACITY, timeout="0.2s") as net, Server(net.url) as server:
        yield Client(net, server)


def crowd_of(client: Client, number: int) -> list[Keypair]:
    """So many accounts, each funded in a ledger of its own: three fit into one."""
    return [client.account() for _ in range(number)]


def bid(client: Client, key: Keypair, fee: int) -> TransactionEnvelope:
    builder = TransactionBuilder(client.server.load_account(key.public_key), client.net.passphrase, base_fee=fee)
    envelope = builder.append_operation(Data("bid", str(fee).encode())).add_time_bounds(0, 0).build()
    envelope.sign(key)
    return envelope


def send(client: Client, envelope: Any) -> dict[str, Any]:
    answer: dict[str, Any] = requests.post(
        f"{client.net.url}/transactions_async", data={"tx": envelope.to_xdr()}
    ).json()
    return answer


def charged(client: Client, envelope: Any) -> int | None:
    answer = requests.get(f"{client.net.url}/transactions/{envelope.hash_hex()}")
    return int(answer.json()["fee_charged"]) if answer.ok else None


def test_the_best_bids_go_first_and_all_pay_what_the_last_one_in_has_bid(client: Client) -> None:
    envelopes = {
        fee: bid(client, key, fee) for fee, key in zip((200, 900, 500, 700, 100), crowd_of(client, 5), strict=True)
    }
    assert [send(client, one)["tx_status"] for one in envelopes.values()] == ["PENDING"] * 5
    assert client.net.close_ledger()["waiting"] == 2
    assert {fee: charged(client, one) for fee, one in envelopes.items()} == {
        100: None,
        200: None,
        500: 500,
        700: 500,
        900: 500,
    }
    client.net.close_ledger()
    assert (charged(client, envelopes[200]), charged(client, envelopes[100])) == (100, 100)


def test_with_room_for_all_a_high_bid_pays_the_base_fee(client: Client) -> None:
    envelope = bid(client, client.account(), 10_000)
    send(client, envelope)
    client.net.close_ledger()
    assert charged(client, envelope) == 100


def test_in_a_full_queue_a_better_bid_puts_out_the_least_and_a_worse_one_is_refused(client: Client) -> None:
    *waiting, poor, rich = [
        (key, fee) for fee, key in zip((200, 201, 202, 203, 204, 205, 150, 900), crowd_of(client, 8), strict=True)
    ]
    envelopes = [bid(client, key, fee) for key, fee in waiting]
    for envelope in envelopes:
        send(client, envelope)
    refused = send(client, bid(client, *poor))
    assert refused["tx_status"] == "ERROR"
    error = requests.post(f"{client.net.url}/transactions", data={"tx": bid(client, poor[0], 160).to_xdr()}).json()
    assert error["extras"]["result_codes"] == {"transaction": "tx_insufficient_fee"}
    assert send(client, bid(client, *rich))["tx_status"] == "PENDING"
    # the first of them had to go, and is not looked at again for a while
    assert send(client, envelopes[0])["tx_status"] == "TRY_AGAIN_LATER"
    client.net.close_ledger()
    client.net.close_ledger()
    assert [charged(client, one) is None for one in envelopes] == [True, False, False, False, False, False]


def test_a_crowd_of_strangers_keeps_lower_bids_waiting_until_they_are_dropped(client: Client) -> None:
    low, high = (bid(client, key, fee) for key, fee in zip(crowd_of(client, 2), (1999, 2500), strict=True))
    client.net.surge(bid=2000)
    assert (send(client, low)["tx_status"], send(client, high)["tx_status"]) == ("PENDING", "PENDING")
    assert client.net.close_ledger()["waiting"] == 1
    assert (charged(client, low), charged(client, high)) == (None, 2000)
    assert [client.net.close_ledger()["waiting"] for _ in range(3)] == [1, 1, 0]
    assert send(client, low)["tx_status"] == "TRY_AGAIN_LATER"


def test_whoever_waits_in_vain_gets_a_timeout_and_may_still_be_taken(client: Client) -> None:
    envelope = bid(client, client.account(), 100)
    client.net.surge(bid=2000)
    answer = requests.post(f"{client.net.url}/transactions", data={"tx": envelope.to_xdr()})
    assert (answer.status_code, answer.json()["extras"]["hash"]) == (504, envelope.hash_hex())
    client.net.surge(bid=0)
    client.net.close_ledger()
    assert charged(client, envelope) == 100


def test_a_crowd_at_the_door_refuses_lower_bids_and_names_no_price_but_in_the_result(client: Client) -> None:
    envelope = bid(client, client.account(), 1999)
    client.net.surge(bid=2000, door=True)
    refused = send(client, envelope)
    assert refused["tx_status"] == "ERROR"
    answer = requests.post(f"{client.net.url}/transactions", data={"tx": envelope.to_xdr()})
    assert answer.status_code == 504  # refused for its bid, it is not looked at again


def test_a_crowd_at_the_door_puts_out_who_waits(client: Client) -> None:
    envelope = bid(client, client.account(), 1999)
    send(client, envelope)
    client.net.surge(bid=2000, door=True)
    assert client.net.close_ledger()["waiting"] == 0
    client.net.surge(bid=0)
    client.net.close_ledger()
    assert charged(client, envelope) is None


def test_a_fee_bump_of_what_waits_gets_it_in(client: Client) -> None:
    key, payer = crowd_of(client, 2)
    inner = bid(client, key, 100)
    client.net.surge(bid=2000)
    send(client, inner)
    bump = TransactionBuilder.build_fee_bump_transaction(payer, 2500, inner, client.net.passphrase)
    bump.sign(payer)
    assert send(client, bump)["tx_status"] == "PENDING"
    client.net.close_ledger()
    assert charged(client, inner) == 4000  # two operations: a fee bump pays for one more


def test_the_statistics_are_true_over_the_last_five_ledgers(client: Client) -> None:
    key = client.account()
    for _ in range(5):
        client.net.close_ledger()
    quiet = client.net.get("/fee_stats")
    assert quiet["ledger_capacity_usage"] == "0.00"
    assert {quiet["fee_charged"]["max"], quiet["max_fee"]["max"]} == {"100"}
    client.net.surge(bid=2000)
    client.net.close_ledger()
    assert client.net.get("/fee_stats")["fee_charged"]["p10"] == "2000"
    envelope = bid(client, key, 9000)
    send(client, envelope)
    client.net.close_ledger()
    stats = client.net.get("/fee_stats")
    assert stats["ledger_capacity_usage"] == "0.40"
    assert stats["last_ledger_base_fee"] == "100"
    assert (stats["fee_charged"]["mode"], stats["fee_charged"]["max"]) == ("2000", "2000")
    assert (stats["max_fee"]["p50"], stats["max_fee"]["max"]) == ("2000", "9000")
    client.net.surge(bid=0)
    for _ in range(5):
        client.net.close_ledger()
    assert client.net.get("/fee_stats")["fee_charged"]["max"] == "100"


def test_how_much_a_ledger_holds_can_change(client: Client) -> None:
    client.net.surge(bid=0, capacity=50)
    client.net.close_ledger()
    ledger = client.server.ledgers().order(desc=True).limit(1).call()["_embedded"]["records"][0]
    assert ledger["max_tx_set_size"] == 50


def test_friendbot_is_not_kept_out(client: Client) -> None:
    client.net.surge(bid=2000, door=True)
    keys = [Keypair.random().public_key for _ in range(2 * CAPACITY)]
    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(client.net.fund, keys))
    assert all(client.net.get(f"/accounts/{key}") for key in keys)
