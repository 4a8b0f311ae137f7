"""Faults on purpose, seen from a client."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import pytest
from stellar_sdk import Asset, Keypair, Server, TransactionBuilder

from tools.localnet.faults import FaultError, read_faults
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


def ask(net: Localnet, method: str = "GET", path: str = "/", **form: str) -> tuple[int | None, Any]:
    """Status and document; (None, None) where the connection was cut."""
    connection = http.client.HTTPConnection(urlsplit(net.url).netloc, timeout=30)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(form) or None, kind)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None, None
    finally:
        connection.close()


def payment(net: Localnet, key: Keypair, sequence: int) -> Any:
    from stellar_sdk import Account

    builder = TransactionBuilder(Account(key.public_key, sequence), net.passphrase)
    envelope = builder.append_payment_op(key.public_key, Asset.native(), "1").add_time_bounds(0, 0).build()
    envelope.sign(key)
    return envelope


def test_a_lost_request_is_never_seen_by_the_ledger() -> None:
    with Localnet(fault="lose-request=1") as net:
        envelope = payment(net, Keypair.from_secret(net.root_seed), 0)
        assert ask(net, "POST", "/transactions_async", tx=envelope.to_xdr()) == (None, None)
        net.close_ledger()
        assert net.close_ledger()["waiting"] == 0


def test_a_lost_answer_leaves_a_transaction_that_was_taken(tmp_path: Any) -> None:
    with Localnet(state=tmp_path, fault="lose-answer=1") as net:
        envelope = payment(net, Keypair.from_secret(net.root_seed), 0)
        assert ask(net, "POST", "/transactions_async", tx=envelope.to_xdr()) == (None, None)
        net.close_ledger()
    with Localnet(state=tmp_path) as net:
        assert net.get(f"/transactions/{envelope.hash_hex()}")["successful"] is True


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("504", 504)])
def test_busy_answers_are_horizons(fault: str, status: int) -> None:
    with Localnet(fault=f"{fault}=1") as net:
        connection = http.client.HTTPConnection(urlsplit(net.url).netloc, timeout=30)
        connection.request("GET", "/ledgers")
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)["status"]) == (status, status)
        assert (answer.headers["Retry-After"] is not None) == (status == 429)
        connection.close()


def test_a_delay_holds_back_every_answer() -> None:
    with Localnet(fault="delay=0.2s") as net:
        began = time.monotonic()
        assert ask(net)[0] == 200
        assert time.monotonic() - began >= 0.2


def test_the_same_seed_meets_the_same_faults() -> None:
    fault = "lose-request=0.2,lose-answer=0.2,429=0.2,504=0.2,seed="
    fates = {}
    for name, seed in (("first", 7), ("again", 7), ("other", 8)):
        with Localnet(fault=f"{fault}{seed}") as net:
            fates[name] = [ask(net)[0] for _ in range(30)]
    assert fates["first"] == fates["again"] != fates["other"]
    assert set(fates["first"]) == {200, 429, 504, None}


def test_control_paths_are_spared() -> None:
    with Localnet(fault="lose-request=1") as net:
        assert net.close_ledger()["ledger"] == 2


def test_the_sdk_gets_through_a_bad_link_with_one_payment_made() -> None:
    with Localnet(close_every="0.05s", fault="lose-request=0.15,lose-answer=0.15,429=0.1,504=0.1,seed=3") as net:
        root = Keypair.from_secret(net.root_seed)
        envelope = payment(net, root, 0)
        with Server(net.url) as server:
            document = server.submit_transaction(envelope, skip_memo_required_check=True)
            assert document["successful"] is True
            found = server.transactions().for_account(root.public_key).call()
            assert [one["hash"] for one in found["_embedded"]["records"]] == [envelope.hash_hex()]


@pytest.mark.parametrize(
    "text",
    ["lose-everything=1", "429=2", "429=x", "429=-0.1", "lose-request=0.6,lose-answer=0.6", "delay=-1s"],
)
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(FaultError):
        read_faults(text)


def test_the_quota_ends_in_429_until_the_hour_is_over() -> None:
    with Localnet(options=["--rate-limit", "2"]) as net:
        assert [ask(net)[0] for _ in range(3)] == [200, 200, 429]


def test_faults_come_and_go_at_runtime() -> None:
    with Localnet(replica=0) as net:
        net.fault("504=1")
        assert ask(net)[0] == 504
        net.fault("429=1", replica=True)
        net.fault()
        assert ask(net)[0] == 200
        with pytest.raises(HTTPError):
            net.fault("rain=1")


def test_a_fault_may_hit_some_paths_only() -> None:
    """A balancer's replica that was just set up: it has the ledger and no history."""
    with Localnet(fault="404=1,only=/transactions") as net:
        account = Keypair.from_secret(net.root_seed).public_key
        assert ask(net, path=f"/accounts/{account}")[0] == 200
        status, document = ask(net, path=f"/accounts/{account}/transactions")
        assert (status, document["title"]) == (404, "Resource Missing")


def test_garbled_xdr_can_be_read_as_nothing() -> None:
    with Localnet() as net:
        account = Keypair.random().public_key
        net.fund(account)
        net.fault("garble=1")
        (record,) = ask(net, path=f"/accounts/{account}/transactions")[1]["_embedded"]["records"]
        assert (record["result_xdr"], record["envelope_xdr"], record["successful"]) == ("AAA=", "AAA=", True)
