"""How fast localnet is over HTTP: its start, and payments submitted and closed through a real server process."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from stellar_sdk import Account, Asset, Keypair, TransactionBuilder

from tools.localnet.server import Localnet

ACCOUNTS, ROUNDS, CONNECTIONS = 500, 4, 4
_OPERATIONS = 100
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def figures() -> dict[str, float]:
    """Seconds from the command to the first request taken, and payments per second, each with its ledger in SQLite."""
    return {"server_startup_seconds": startup(), "http_payments_per_second": payments()}


def startup() -> float:
    """A fresh process until it takes requests: the median of three, in seconds."""

    def once() -> float:
        started = time.perf_counter()
        with Localnet():
            return time.perf_counter() - started

    return statistics.median(once() for _ in range(3))


def payments() -> float:
    """Payments of many accounts: submitted by `POST /transactions_async`, closed, in SQLite with their history."""
    with tempfile.TemporaryDirectory() as folder, Localnet(state=Path(folder)) as net:
        accounts = _open_accounts(net)
        rounds = [_signed_round(net, accounts) for _ in range(ROUNDS)]
        started = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for bodies in rounds:
                parts = [bodies[at::CONNECTIONS] for at in range(CONNECTIONS)]
                taken = sum(pool.map(lambda part: _submit(net, part), parts))
                if taken != len(bodies):
                    raise ArithmeticError(f"Only {taken} payments of {len(bodies)} were admitted.")
                net.close_ledger()
        seconds = time.perf_counter() - started
        last = net.get("/ledgers?order=desc&limit=1")["_embedded"]["records"][0]
        if last["successful_transaction_count"] != ACCOUNTS:
            raise ArithmeticError(f"Only {last['successful_transaction_count']} payments are in the last ledger.")
        return ACCOUNTS * ROUNDS / seconds


def _open_accounts(net: Localnet) -> list[tuple[Keypair, Account]]:
    """Accounts made by the root account, a hundred with one transaction."""
    root = Keypair.from_secret(net.root_seed)
    opener = Account(root.public_key, 0)
    keys = [Keypair.random() for _ in range(ACCOUNTS)]
    for first in range(0, ACCOUNTS, _OPERATIONS):
        builder = TransactionBuilder(opener, net.passphrase).add_time_bounds(0, 0)
        for key in keys[first : first + _OPERATIONS]:
            builder.append_create_account_op(key.public_key, "1000")
        envelope = builder.build()
        envelope.sign(root)
        _submit(net, [urlencode({"tx": envelope.to_xdr()}).encode()])
        net.close_ledger()
    return [(key, Account(key.public_key, _sequence(net, key))) for key in keys]


def _sequence(net: Localnet, key: Keypair) -> int:
    return int(net.get(f"/accounts/{key.public_key}")["sequence"])


def _signed_round(net: Localnet, accounts: list[tuple[Keypair, Account]]) -> list[bytes]:
    """One payment of every account, as the forms that will be posted."""
    bodies = []
    for at, (key, account) in enumerate(accounts):
        builder = TransactionBuilder(account, net.passphrase).add_time_bounds(0, 0)
        envelope = builder.append_payment_op(accounts[at - 1][0].public_key, Asset.native(), "1").build()
        envelope.sign(key)
        bodies.append(urlencode({"tx": envelope.to_xdr()}).encode())
    return bodies


def _submit(net: Localnet, bodies: list[bytes]) -> int:
    """Post forms over one connection; returns how many were admitted."""
    connection = http.client.HTTPConnection(urlsplit(net.url).netloc, timeout=60)
    admitted = 0
    for body in bodies:
        connection.request("POST", "/transactions_async", body, _FORM)
        answer = connection.getresponse()
        answer.read()
        admitted += answer.status == 201
    connection.close()
    return admitted
