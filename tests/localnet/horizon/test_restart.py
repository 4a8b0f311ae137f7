"""The ledger outlives its process, however that ends."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import stellar_sdk as op
from stellar_sdk import Asset, Keypair, Server, TransactionBuilder

from tools.localnet.database import FILE
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


def view(net: Localnet, account: str) -> list[dict[str, Any]]:
    paths = (
        f"/accounts/{account}",
        "/ledgers?limit=200",
        "/operations?limit=200",
        "/effects?limit=200",
        "/claimable_balances",
        f"/accounts/{account}/offers",
        f"/accounts?signer={account}",
    )
    return [net.get(path) for path in paths]


def change_something(net: Localnet, key: Keypair) -> None:
    with Server(net.url) as server:
        issuer = Asset("GOLD", key.public_key)
        envelope = (
            TransactionBuilder(server.load_account(key.public_key), net.passphrase)
            .append_manage_sell_offer_op(Asset.native(), issuer, "5", "3")
            .append_create_claimable_balance_op(issuer, "1", [op.Claimant(key.public_key)])
            .append_manage_data_op("where", b"here")
            .add_time_bounds(0, 0)
            .build()
        )
        envelope.sign(key)
        server.submit_transaction_async(envelope)


def test_a_killed_ledger_is_as_it_was_after_its_last_close(tmp_path: Path) -> None:
    key = Keypair.random()
    net = Localnet(state=tmp_path / "ledger")
    net.start()
    net.fund(key.public_key)
    change_something(net, key)
    net.close_ledger()
    before = view(net, key.public_key)
    change_something(net, key)  # queued, in no ledger yet
    net.kill()
    net.start()
    assert view(net, key.public_key) == before
    change_something(net, key)
    net.close_ledger()
    assert len(net.get(f"/accounts/{key.public_key}/offers")["_embedded"]["records"]) == 2
    assert net.stop() == 0


def test_killed_again_and_again_while_it_closes_ledgers_it_never_loses_one_it_told_of(tmp_path: Path) -> None:
    net = Localnet(state=tmp_path / "ledger", close_every="0.01s")
    told = 0
    for _ in range(4):
        net.start()
        found = net.get("/ledgers?order=desc&limit=200")["_embedded"]["records"]
        sequences = [one["sequence"] for one in found]
        assert sequences[0] >= told
        assert sequences == list(range(sequences[0], sequences[-1] - 1, -1))
        for newer, older in pairwise(found):
            assert newer["prev_hash"] == older["hash"]
        net.fund(Keypair.random().public_key)
        told = net.get("/")["history_latest_ledger"]
        net.kill()


def test_the_clock_that_a_test_advanced_stays_advanced(tmp_path: Path) -> None:
    with Localnet(state=tmp_path) as net:
        closed = net.close_ledger(advance=86_400)["close_time"]
        net.stop()
        net.start()
        assert net.close_ledger()["close_time"] > closed


def test_a_ledger_in_use_or_of_another_network_says_so(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tools.localnet",
        "--port",
        "0",
        "--state",
        str(tmp_path),
        "--passphrase",
    ]
    with Localnet(state=tmp_path, passphrase="one") as net:
        second = subprocess.run([*command, "one"], capture_output=True, text=True, cwd=Path(__file__).parents[3])
        assert second.returncode == 69
        assert "open in another process" in second.stderr
        assert net.get("/health")["core_synced"]
    other = subprocess.run([*command, "two"], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert other.returncode == 78
    assert 'belongs to the network "one"' in other.stderr


@pytest.mark.parametrize("option", [["--fault", "lose-everything=1"], ["--close-every", "soon"]])
def test_a_wrong_option_is_explained(option: list[str]) -> None:
    command = [sys.executable, "-m", "tools.localnet", "--port", "0", *option]
    found = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert found.returncode == 2
    assert option[1].partition("=")[0] in found.stderr
    assert "Traceback" not in found.stderr


def test_the_ready_file_holds_the_address_the_network_and_the_root_key(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with Localnet(options=["--ready-file", str(ready)]) as net:
        assert json.loads(ready.read_text()) == {
            "url": net.url,
            "passphrase": net.passphrase,
            "root_seed": net.root_seed,
        }


def test_ctrl_c_ends_it_at_once_with_streams_open() -> None:
    import http.client
    from urllib.parse import urlsplit

    with Localnet() as net:
        connection = http.client.HTTPConnection(urlsplit(net.url).netloc, timeout=30)
        connection.request("GET", "/ledgers", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert net.stop() == 0
        assert answer.read().endswith(b'data: "byebye"\n\n')
        connection.close()


NEW_COLUMNS = (("ledger", "crowd"), ("ledger", "crowd_bid"), ("history", "fee_meta"), ("history", "readable"))


def test_a_ledger_of_localnets_first_version_goes_on(tmp_path: Path) -> None:
    net = Localnet(state=tmp_path)
    net.start()
    account = Keypair.random().public_key
    net.fund(account)
    net.stop()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        for table, column in NEW_COLUMNS:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    net.start()
    try:
        net.close_ledger()
        (record,) = net.get(f"/accounts/{account}/transactions")["_embedded"]["records"]
        assert record["fee_meta_xdr"] == "AAAAAA=="
    finally:
        net.stop()
