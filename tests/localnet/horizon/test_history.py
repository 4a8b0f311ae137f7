"""A Horizon that remembers the last ledgers only, as public ones do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from stellar_sdk import Keypair, Server
from stellar_sdk import ManageData as Data

from tests.localnet.horizon.conftest import Client
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

KEPT = 3
HISTORY = ("ledgers", "transactions", "operations", "payments", "effects", "trades")


@dataclass(frozen=True)
class Old:
    """A ledger of which all but the last three ledgers are forgotten. `key` did nothing since, `active` did."""

    net: Localnet
    key: Keypair
    active: Keypair
    forgotten: str
    kept: str
    elder: int


@pytest.fixture(scope="module")
def old() -> Iterator[Old]:
    with Localnet(history=KEPT) as net, Server(net.url) as server:
        client = Client(net, server)
        key, active = client.account(), client.account()
        forgotten = client.apply(active, Data("first", b"1"))
        for _ in range(KEPT):
            kept = client.apply(active, Data("more", b"2"))
        yield Old(net, key, active, forgotten, kept, net.get("/")["history_elder_ledger"])


def ask(net: Localnet, path: str) -> requests.Response:
    return requests.get(net.url + path)


def records(net: Localnet, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(net, path).json()["_embedded"]["records"]
    return found


def test_the_root_says_how_far_back_it_goes(old: Old) -> None:
    root = old.net.get("/")
    assert root["history_elder_ledger"] == root["history_latest_ledger"] - KEPT + 1


@pytest.mark.parametrize("path", ["/ledgers/{before}", "/ledgers/0", "/operations/{operation}"])
def test_what_is_named_by_its_place_and_forgotten_is_gone(old: Old, path: str) -> None:
    answer = ask(old.net, path.format(before=old.elder - 1, operation=(old.elder - 1 << 32) + 4097))
    assert answer.status_code == 410
    assert answer.json()["type"] == "https://stellar.org/horizon-errors/before_history"
    assert answer.json()["title"] == "Data Requested Is Before Recorded History"


@pytest.mark.parametrize("noun", HISTORY)
def test_a_page_back_from_before_the_elder_ledger_is_gone(old: Old, noun: str) -> None:
    cursor = (old.elder - 1) << 32
    assert ask(old.net, f"/{noun}?order=desc&cursor={cursor}").status_code == 410


@pytest.mark.parametrize("noun", HISTORY)
@pytest.mark.parametrize("cursor", ["", "&cursor=0", "&cursor=4294971392"])
def test_a_page_on_from_before_the_elder_ledger_starts_at_it_without_a_word(old: Old, noun: str, cursor: str) -> None:
    answer = ask(old.net, f"/{noun}?limit=200{cursor}")
    assert answer.status_code == 200
    for record in answer.json()["_embedded"]["records"]:
        assert int(record["paging_token"].partition("-")[0]) >> 32 >= old.elder


def test_an_accounts_history_is_cut_at_the_elder_in_both_directions(old: Old) -> None:
    hashes = {
        order: [
            one["hash"] for one in records(old.net, f"/accounts/{old.active.public_key}/transactions?order={order}")
        ]
        for order in ("asc", "desc")
    }
    assert len(hashes["asc"]) == KEPT
    assert hashes["asc"] == hashes["desc"][::-1]
    assert old.kept in hashes["asc"]
    assert old.forgotten not in hashes["asc"]


def test_an_account_whose_history_is_all_forgotten_has_none_although_it_exists(old: Old) -> None:
    """Horizon's word for it is 404, the same as for an account that never was."""
    assert ask(old.net, f"/accounts/{old.key.public_key}").status_code == 200
    for noun in ("transactions", "operations", "payments", "effects", "trades"):
        assert ask(old.net, f"/accounts/{old.key.public_key}/{noun}").status_code == 404


@pytest.mark.parametrize("noun", ["", "/operations", "/effects", "/payments"])
def test_a_forgotten_transaction_is_as_if_it_never_was(old: Old, noun: str) -> None:
    assert ask(old.net, f"/transactions/{old.forgotten}{noun}").status_code == 404


@pytest.mark.parametrize("noun", ["transactions", "operations", "payments", "effects"])
def test_what_a_forgotten_ledger_held_is_not_found(old: Old, noun: str) -> None:
    assert ask(old.net, f"/ledgers/{old.elder - 1}/{noun}").status_code == 404
    assert ask(old.net, f"/ledgers/{old.elder}/{noun}").status_code == 200


def test_state_is_whole_and_does_not_say_when_it_was_last_touched(old: Old) -> None:
    account = ask(old.net, f"/accounts/{old.key.public_key}").json()
    assert account["balances"][0]["balance"] == "10000.0000000"
    assert account["last_modified_ledger"] < old.elder
    assert account["last_modified_time"] is None


def test_a_transaction_sent_again_after_it_was_forgotten_is_judged_anew() -> None:
    with Localnet() as net, Server(net.url) as server:
        client = Client(net, server)
        key = client.account()
        envelope = client.envelope(key, Data("once", b"1"))
        server.submit_transaction_async(envelope)
        net.close_ledger()
        form = {"tx": envelope.to_xdr()}
        assert requests.post(f"{net.url}/transactions", data=form).json()["hash"] == envelope.hash_hex()
        for _ in range(12):  # as long as the queue remembers what it applied
            net.close_ledger()
        net.forget(keep=1)
        answer = requests.post(f"{net.url}/transactions", data=form)
        assert answer.json()["extras"]["result_codes"] == {"transaction": "tx_bad_seq"}


def test_history_is_forgotten_on_demand_for_good(tmp_path: Path) -> None:
    net = Localnet(state=tmp_path)
    net.start()
    for _ in range(5):
        net.close_ledger()
    assert net.forget(keep=100) == 1
    assert net.forget(keep=2) == 5
    net.kill()
    net.start()
    try:
        assert net.get("/")["history_elder_ledger"] == 5
        assert net.forget(keep=6) == 5
        net.close_ledger()
        assert net.get("/")["history_elder_ledger"] == 5
    finally:
        net.stop()
