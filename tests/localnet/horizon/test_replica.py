"""Two addresses of one ledger, the second of them late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from stellar_sdk import ManageData as Data
from stellar_sdk import Server

from tests.localnet.horizon.conftest import Client
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

LAG = 2


@pytest.fixture
def client() -> Iterator[Client]:
    with Localnet(replica=LAG) as net, Server(net.url) as server:
        yield Client(net, server)


def late(net: Localnet, path: str) -> requests.Response:
    return requests.get(net.replica_url + path)


def root(net: Localnet) -> dict[str, Any]:
    found: dict[str, Any] = late(net, "/").json()
    return found


def test_the_replica_shows_the_ledger_as_it_was(client: Client) -> None:
    net = client.net
    key = client.account()
    for _ in range(LAG):
        assert late(net, f"/accounts/{key.public_key}").status_code == 404
        net.close_ledger()
    assert late(net, f"/accounts/{key.public_key}").json() | {"_links": 0} == net.get(f"/accounts/{key.public_key}") | {
        "_links": 0
    }


def test_the_replica_knows_how_late_it_is(client: Client) -> None:
    for _ in range(5):
        client.net.close_ledger()
    found = root(client.net)
    assert found["core_latest_ledger"] - found["history_latest_ledger"] == LAG
    assert found["ingest_latest_ledger"] == found["history_latest_ledger"]
    assert client.net.get("/")["core_latest_ledger"] == found["core_latest_ledger"]


def test_what_is_posted_to_the_replica_is_in_the_next_ledger(client: Client) -> None:
    net = client.net
    key = client.account()
    envelope = client.envelope(key, Data("via", b"replica"))
    answer = requests.post(f"{net.replica_url}/transactions_async", data={"tx": envelope.to_xdr()})
    assert answer.json()["tx_status"] == "PENDING"
    net.close_ledger()
    assert net.get(f"/transactions/{envelope.hash_hex()}")["successful"]
    assert late(net, f"/transactions/{envelope.hash_hex()}").status_code == 404


def test_a_late_address_does_not_call_a_number_bad_that_this_very_transaction_may_have_used() -> None:
    """It knows no more than that until it has seen the ledger: the answer is a timeout, then the transaction."""
    with Localnet(replica=0, timeout="0.2s") as net, Server(net.url) as server:
        client = Client(net, server)
        envelope = client.envelope(client.account(), Data("sent", b"twice"))
        server.submit_transaction_async(envelope)
        net.lag(20)
        for _ in range(12):  # as long as the queue knows what it applied
            net.close_ledger()
        address, form = f"{net.replica_url}/transactions", {"tx": envelope.to_xdr()}
        assert requests.post(address, data=form).status_code == 504
        net.lag(0)
        assert requests.post(address, data=form).json()["hash"] == envelope.hash_hex()


def test_its_lag_can_be_changed_and_it_never_goes_back(client: Client) -> None:
    net = client.net
    for _ in range(5):
        net.close_ledger()
    assert net.lag(0) == 6
    assert net.lag(2) == 6
    net.close_ledger()
    net.close_ledger()
    assert root(net)["history_latest_ledger"] == 6
    net.close_ledger()
    assert root(net)["history_latest_ledger"] == 7


def test_each_address_forgets_for_itself(client: Client) -> None:
    """So that the second one can be the archive of the first."""
    net = client.net
    net.lag(0)
    for _ in range(5):
        net.close_ledger()
    net.forget(keep=1)
    assert (net.get("/")["history_elder_ledger"], root(net)["history_elder_ledger"]) == (6, 1)
    assert net.forget(keep=2, replica=True) == 5


def test_a_restart_keeps_both_addresses(tmp_path: Any) -> None:
    net = Localnet(state=tmp_path, replica=1)
    net.start()
    net.close_ledger()
    urls = net.url, net.replica_url
    net.kill()
    net.start()
    try:
        assert (net.url, net.replica_url) == urls
        assert root(net)["history_latest_ledger"] == 2
    finally:
        assert net.stop() == 0


def test_without_a_replica_there_is_no_lag_to_set() -> None:
    with Localnet() as net:
        answer = requests.post(f"{net.url}/localnet/lag?ledgers=1")
        assert (answer.status_code, answer.json()["extras"]["invalid_field"]) == (400, "ledgers")
