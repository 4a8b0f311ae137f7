"""What strangers can put into anybody's history, and an SDK may not be able to read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from stellar_sdk import ManageData as Data
from stellar_sdk import xdr

from tests.localnet.horizon.conftest import Client

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(client: Client) -> dict[str, Any]:
    """An account's transactions and operations by the operation's type, in the order of their ledgers."""
    key = client.account()
    hashes = [client.net.foreign(key.public_key), client.net.foreign(key.public_key, "invoke_host_function")]
    client.net.close_ledger()
    client.apply(key, Data("after", b"1"))
    read = client.server.transactions().for_account(key.public_key).call()["_embedded"]["records"]
    done = client.server.operations().for_account(key.public_key).call()["_embedded"]["records"]
    return {"hashes": hashes, "transactions": read, "operations": done, "account": key.public_key}


def test_they_are_in_the_accounts_history_among_its_own(found: dict[str, Any]) -> None:
    assert [one["type"] for one in found["operations"]] == [
        "create_account",
        "unknown",
        "invoke_host_function",
        "manage_data",
    ]
    assert [one["hash"] for one in found["transactions"]][1:3] == found["hashes"]


def test_one_of_an_unknown_type_cannot_be_read(found: dict[str, Any]) -> None:
    strange = found["transactions"][1]
    assert (strange["successful"], strange["operation_count"]) == (True, 1)
    assert strange["source_account"] != found["account"]
    with pytest.raises(ValueError):
        xdr.TransactionEnvelope.from_xdr_bytes(base64.b64decode(strange["envelope_xdr"]))
    with pytest.raises(ValueError):
        xdr.TransactionResult.from_xdr_bytes(base64.b64decode(strange["result_xdr"]))
    assert found["operations"][1]["type_i"] == 99


def test_a_smart_contracts_call_can_be_read(found: dict[str, Any]) -> None:
    call = found["transactions"][2]
    envelope = xdr.TransactionEnvelope.from_xdr_bytes(base64.b64decode(call["envelope_xdr"]))
    assert envelope.v1 and envelope.v1.tx.operations[0].body.invoke_host_function_op
    operation = found["operations"][2]
    assert (operation["type_i"], operation["transaction_hash"]) == (24, call["hash"])
    assert [one["type"] for one in operation["parameters"]] == ["Address", "Sym", "Address"]


def test_they_change_no_entry(client: Client) -> None:
    key = client.account()
    before = client.net.get(f"/accounts/{key.public_key}")
    client.net.foreign(key.public_key)
    client.net.close_ledger()
    assert client.net.get(f"/accounts/{key.public_key}") == before


def test_the_fee_is_told_with_the_account_before_and_after(client: Client) -> None:
    key = client.account()
    done = client.net.get(f"/transactions/{client.apply(key, Data('fee', b'1'))}")
    changes = xdr.LedgerEntryChanges.from_xdr_bytes(base64.b64decode(done["fee_meta_xdr"])).ledger_entry_changes
    before, after = changes[0].state, changes[1].updated
    assert before and after and before.data.account and after.data.account
    assert before.data.account.balance.int64 - after.data.account.balance.int64 == int(done["fee_charged"])
    assert after.last_modified_ledger_seq.uint32 == done["ledger"]
