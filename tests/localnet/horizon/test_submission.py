"""Submitting: what comes back, when, and what happens when it is sent again."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stellar_sdk as op
from stellar_sdk import Asset, Keypair, Server, TransactionBuilder
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BadRequestError, BadResponseError, NotFoundError

from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


def post(url: str, text: str) -> tuple[int, dict[str, Any]]:
    body = urllib.parse.urlencode({"tx": text}).encode()
    try:
        with urllib.request.urlopen(url, body) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def refused(client: Any, envelope: Any) -> dict[str, Any]:
    """The error document of a submission that the queue refuses."""
    with pytest.raises(BadRequestError) as found:
        client.server.submit_transaction(envelope, skip_memo_required_check=True)
    assert found.value.title == "Transaction Failed"
    return found.value.extras


def test_a_submission_is_answered_by_the_ledger_that_takes_it(client: Any) -> None:
    sender = client.account()
    envelope = client.envelope(sender, op.Payment(sender.public_key, Asset.native(), "1"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.server.submit_transaction, envelope, True)
        while not waiting.done():
            client.net.close_ledger()
    document = waiting.result()
    assert document["hash"] == envelope.hash_hex()
    assert document["successful"] is True
    assert document["envelope_xdr"] == envelope.to_xdr()


def test_sent_again_it_gets_the_answer_it_had(client: Any) -> None:
    sender = client.account()
    envelope = client.envelope(sender, op.BumpSequence(0))
    client.server.submit_transaction_async(envelope)
    client.net.close_ledger()
    first = client.server.submit_transaction(envelope)
    assert first == client.server.submit_transaction(envelope)
    assert first == client.server.transactions().transaction(envelope.hash_hex()).call()


def test_what_failed_in_a_ledger_is_refused_with_a_code_for_each_operation(client: Any) -> None:
    sender = client.account()
    stranger = Keypair.random().public_key
    envelope = client.envelope(
        sender, op.BumpSequence(0), op.Payment(stranger, Asset.native(), "1"), op.ManageData("x", None)
    )
    client.server.submit_transaction_async(envelope)
    client.net.close_ledger()
    extras = refused(client, envelope)
    assert extras["result_codes"] == {
        "transaction": "tx_failed",
        "operations": ["op_success", "op_no_destination", "op_data_name_not_found"],
    }
    assert extras["envelope_xdr"] == envelope.to_xdr()
    assert extras["result_xdr"]


def test_the_queue_refuses_a_wrong_sequence_number(client: Any) -> None:
    sender = client.account()
    account = client.server.load_account(sender.public_key)
    account.sequence += 5
    envelope = (
        TransactionBuilder(account, client.net.passphrase).append_bump_sequence_op(0).add_time_bounds(0, 0).build()
    )
    envelope.sign(sender)
    assert refused(client, envelope)["result_codes"] == {"transaction": "tx_bad_seq"}


def test_the_queue_refuses_the_signature_of_another_network(client: Any) -> None:
    sender = client.account()
    account = client.server.load_account(sender.public_key)
    envelope = TransactionBuilder(account, "Another Network").append_bump_sequence_op(0).add_time_bounds(0, 0).build()
    envelope.sign(sender)
    assert refused(client, envelope)["result_codes"] == {"transaction": "tx_bad_auth"}


def test_an_account_has_one_transaction_pending_as_on_the_network_today(client: Any) -> None:
    sender = client.account()
    first = client.envelope(sender, op.BumpSequence(0))
    second = client.envelope(sender, op.BumpSequence(1))
    assert client.server.submit_transaction_async(first)["tx_status"] == "PENDING"
    statuses = {}
    for name, envelope in (("again", first), ("second", second)):
        statuses[name] = post(f"{client.net.url}/transactions_async", envelope.to_xdr())
    assert statuses["again"][0] == 409
    assert statuses["again"][1] == {"tx_status": "DUPLICATE", "hash": first.hash_hex()}
    assert statuses["second"][0] == 503
    assert statuses["second"][1]["tx_status"] == "TRY_AGAIN_LATER"
    client.net.close_ledger()


def test_the_async_endpoint_says_error_with_the_result(client: Any) -> None:
    envelope = client.envelope(client.account(), op.BumpSequence(0))
    envelope.signatures.clear()
    status, document = post(f"{client.net.url}/transactions_async", envelope.to_xdr())
    assert status == 400
    assert document["tx_status"] == "ERROR"
    result = op.xdr.TransactionResult.from_xdr(document["error_result_xdr"])
    assert result.result.code.name == "txBAD_AUTH"


def test_an_inner_transaction_sent_after_its_fee_bump_gets_the_fee_bumps_answer(client: Any) -> None:
    sender, payer = client.account(), client.account()
    inner = client.envelope(sender, op.Payment(Keypair.random().public_key, Asset.native(), "1"))
    bump = TransactionBuilder.build_fee_bump_transaction(payer, 200, inner, client.net.passphrase)
    bump.sign(payer)
    client.server.submit_transaction_async(bump)
    client.net.close_ledger()
    assert refused(client, inner)["result_codes"] == {
        "transaction": "tx_failed",
        "operations": ["op_no_destination"],
    }
    assert refused(client, bump)["result_codes"] == {
        "transaction": "tx_fee_bump_inner_failed",
        "inner_transaction": "tx_failed",
        "operations": ["op_no_destination"],
    }


def test_no_ledger_in_time_is_a_504_that_names_the_hash() -> None:
    with Localnet(timeout="0.2s") as net, Server(net.url, RequestsClient(num_retries=0)) as server:
        key = Keypair.random()
        net.fund(key.public_key)
        account = server.load_account(key.public_key)
        envelope = TransactionBuilder(account, net.passphrase).append_bump_sequence_op(0).add_time_bounds(0, 0).build()
        envelope.sign(key)
        with pytest.raises(BadResponseError) as found:
            server.submit_transaction(envelope)
        assert found.value.status == 504
        assert found.value.extras == {"hash": envelope.hash_hex(), "envelope_xdr": envelope.to_xdr()}
        net.close_ledger()
        assert server.submit_transaction(envelope)["successful"] is True


def test_friendbot_funds_an_account_once(client: Any) -> None:
    key = Keypair.random()
    document = client.net.get(f"/friendbot?addr={key.public_key}")
    assert document["source_account"] == Keypair.from_secret(client.net.root_seed).public_key
    account = client.server.accounts().account_id(key.public_key).call()
    assert account["balances"][0]["balance"] == "10000.0000000"
    with pytest.raises(urllib.error.HTTPError) as found:
        client.net.fund(key.public_key)
    with found.value:
        codes = json.load(found.value)["extras"]["result_codes"]
    assert codes == {"transaction": "tx_failed", "operations": ["op_already_exists"]}


def test_friendbot_waits_for_its_turn_when_the_root_account_is_spent_from(client: Any) -> None:
    root = Keypair.from_secret(client.net.root_seed)
    envelope = client.envelope(root, op.BumpSequence(0))
    assert client.server.submit_transaction_async(envelope)["tx_status"] == "PENDING"
    assert client.account()
    assert client.server.transactions().transaction(envelope.hash_hex()).call()["successful"]


def test_ledgers_close_by_themselves() -> None:
    with Localnet(close_every="0.05s") as net:
        before = net.get("/")["history_latest_ledger"]
        ends = time.monotonic() + 10
        while net.get("/")["history_latest_ledger"] == before:
            assert time.monotonic() < ends


def test_friendbot_funds_many_with_one_ledger_and_an_old_friend_spoils_it_for_nobody() -> None:
    with Localnet(close_every="0.3s") as net:
        keys = [Keypair.random().public_key for _ in range(24)]
        net.fund(keys[0])

        def ask(key: str) -> int:
            try:
                net.fund(key)
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code
            return 200

        with ThreadPoolExecutor(24) as pool:
            statuses = list(pool.map(ask, keys))
        assert statuses == [400, *[200] * 23]
        made = [net.get(f"/accounts/{key}")["last_modified_ledger"] for key in keys]
        assert len(set(made)) < 12, "hardly anybody was funded together"


def test_the_ledgers_clock_can_be_advanced_past_a_time_bound(client: Any) -> None:
    sender = client.account()
    bound = client.net.close_ledger()["close_time"] + 600
    account = client.server.load_account(sender.public_key)
    builder = TransactionBuilder(account, client.net.passphrase).append_bump_sequence_op(0)
    envelope = builder.add_time_bounds(0, bound).build()
    envelope.sign(sender)
    assert client.net.close_ledger(advance=3600)["close_time"] > bound
    assert refused(client, envelope)["result_codes"] == {"transaction": "tx_too_late"}
    later = client.net.close_ledger()["close_time"] + 10_000
    assert client.net.close_ledger(close_time=later)["close_time"] == later


def test_what_is_not_there_is_not_found(client: Any) -> None:
    server, stranger = client.server, Keypair.random().public_key
    for builder in (
        server.accounts().account_id(stranger),
        server.transactions().for_account(stranger),
        server.transactions().transaction("00" * 32),
        server.operations().operation(1 << 40),
        server.operations().for_ledger(10**9),
        server.offers().offer(10**9),
        server.claimable_balances().claimable_balance("00" * 36),
        server.data(stranger, "x"),
    ):
        with pytest.raises(NotFoundError) as found:
            builder.call()
        assert found.value.type == "https://stellar.org/horizon-errors/not_found"
