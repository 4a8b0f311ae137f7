"""How fast localnet's ledger engine is on one core: payments, crossings, start-up, a replay of recordings.

The engine's rates are per second of processor time, so that a busy machine tells the same; all else is wall time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from stellar_sdk import Account as SdkAccount
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import Keypair, Network, Price, TransactionBuilder

from tools.bench import ledger_http
from tools.localnet.engine import (
    NATIVE,
    TODAY,
    Account,
    Asset,
    Entry,
    Envelope,
    LedgerState,
    Offer,
    Queue,
    TrustLine,
    admit,
    close,
    genesis,
    network_id,
)
from tools.localnet.engine.entries import AUTHORIZED, MAX
from tools.localnet.engine.liabilities import acquire

PASSPHRASE = Network.STANDALONE_NETWORK_PASSPHRASE
RECORDINGS = Path(__file__).resolve().parents[3] / "shared/conformance/stellar/golden"
RICH = 10**14
START = 1_700_000_000
PAYMENTS, CROSSINGS, BATCH = 4_000, 1_500, 500
OFFERS_PER_MAKER = 900
"""Below the limit of a thousand sub-entries."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object, last.")
def main(as_json: bool) -> None:
    """Transactions a second through localnet's engine."""
    figures = run(as_json)
    if as_json:
        click.echo(json.dumps(figures))


def run(json_output: bool) -> dict[str, float]:
    """Measure and tell; returns every figure under its name, rates in transactions per second."""
    figures: dict[str, float] = {}
    for name, measure in (
        ("payments_per_second", payments),
        ("admitted_payments_per_second", admitted_payments),
        ("crossings_per_second_10000_offers", lambda: crossings(10_000)),
        ("crossings_per_second_100000_offers", lambda: crossings(100_000)),
        ("startup_seconds", startup),
    ):
        figures[name] = round(measure(), 3)
        _say(json_output, f"{name:40} {figures[name]:>12,.3f}")
    ratio = figures["crossings_per_second_10000_offers"] / figures["crossings_per_second_100000_offers"]
    figures["crossing_slowdown_at_100000_offers"] = round(ratio, 3)
    _say(json_output, f"{'crossing_slowdown_at_100000_offers':40} {ratio:>12,.3f}")
    for name, figure in ledger_http.figures().items():
        figures[name] = round(figure, 3)
        _say(json_output, f"{name:40} {figures[name]:>12,.3f}")
    if RECORDINGS.is_dir():
        figures |= replay()
        _say(json_output, f"{'replay_seconds':40} {figures['replay_seconds']:>12,.3f}")
    return figures


def _say(json_output: bool, line: str) -> None:
    if not json_output:
        click.echo(line)


def payments() -> float:
    """Payments decoded, signature-checked, applied and committed in memory."""
    keys = [Keypair.random() for _ in range(100)]
    state = LedgerState((*_genesis(), *(Account(one.public_key, RICH, 0) for one in keys)))
    envelopes = _payments(keys)
    started = time.process_time()
    for first in range(0, PAYMENTS, BATCH):
        _apply(state, envelopes[first : first + BATCH])
    return PAYMENTS / (time.process_time() - started)


def admitted_payments() -> float:
    """The whole way of a submission but HTTP: decoded, admitted, queued, nominated, applied, committed."""
    keys = [Keypair.random() for _ in range(BATCH)]
    state = LedgerState((*_genesis(), *(Account(one.public_key, RICH, 0) for one in keys)))
    envelopes = _payments(keys)
    queue, now = Queue(), START
    started = time.process_time()
    for first in range(0, PAYMENTS, BATCH):
        for text in envelopes[first : first + BATCH]:
            envelope = Envelope.decode(text, network_id(PASSPHRASE))
            if admit(state, envelope, now, queue).status != "PENDING":
                raise ArithmeticError("A payment of the bench was not admitted.")
            queue.add(envelope)
        now += 5
        batch = queue.nominate(state, now)
        state.commit(close(state, batch, now).changes)
        queue.closed(batch)
    return PAYMENTS / (time.process_time() - started)


def crossings(offers: int) -> float:
    """Offers that each take one whole resting offer, of a book that starts with `offers` of them."""
    taker = Keypair.random()
    issuer = Keypair.random().public_key
    asset = Asset("DLC", issuer)
    state = LedgerState((*_genesis(), *_book(offers, asset, taker.public_key)))
    _acquire_all(state)
    envelopes = _takes(taker, asset)
    started = time.process_time()
    for first in range(0, CROSSINGS, BATCH):
        _apply(state, envelopes[first : first + BATCH])
    seconds = time.process_time() - started
    left = sum(1 for _ in state.book(asset, NATIVE))
    if left != offers - CROSSINGS:
        raise ArithmeticError(f"{left} offers are left of {offers} after {CROSSINGS} crossings.")
    return CROSSINGS / seconds


def startup() -> float:
    """A fresh interpreter until the first ledger stands: the median of three, in seconds."""
    code = "from tools.localnet.engine import State, genesis; State(genesis('bench')).state_hash()"

    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(3))


def replay() -> dict[str, float]:
    """All shared recordings through `tools/conformance.py`'s replay."""
    from tools.conformance import load, recordings
    from tools.conformance import replay as replay_one

    started = time.perf_counter()
    reports = [replay_one(load(path), path.name) for path in recordings([RECORDINGS])]
    seconds = time.perf_counter() - started
    return {
        "replay_seconds": round(seconds, 3),
        "replay_transactions": sum(one.transactions for one in reports),
        "replay_mismatches": sum(one.mismatches for one in reports),
    }


# -- what is applied


def _genesis() -> tuple[Entry, ...]:
    return genesis(PASSPHRASE, close_time=START)


def _apply(state: LedgerState, envelopes: Sequence[str]) -> None:
    decoded = [Envelope.decode(one, network_id(PASSPHRASE)) for one in envelopes]
    closed = close(state, decoded, state.header.close_time + 5, TODAY)
    if not all(one.successful for one in closed.transactions):
        raise ArithmeticError("A transaction of the bench failed.")
    state.commit(closed.changes)


def _payments(keys: Sequence[Keypair]) -> list[str]:
    """Signed payments of a lumen, each account paying the next in turn."""
    accounts = [SdkAccount(one.public_key, 0) for one in keys]
    envelopes = []
    for index in range(PAYMENTS):
        at = index % len(keys)
        builder = _builder(accounts[at])
        builder.append_payment_op(keys[at - 1].public_key, SdkAsset.native(), "1")
        envelopes.append(_signed(builder, keys[at]))
    return envelopes


def _takes(taker: Keypair, asset: Asset) -> list[str]:
    account = SdkAccount(taker.public_key, 0)
    envelopes = []
    for _ in range(CROSSINGS):
        builder = _builder(account)
        wanted = SdkAsset(asset.code, asset.issuer)
        builder.append_manage_buy_offer_op(SdkAsset.native(), wanted, "1", Price(4, 1))
        envelopes.append(_signed(builder, taker))
    return envelopes


def _builder(account: SdkAccount) -> TransactionBuilder:
    builder = TransactionBuilder(account, PASSPHRASE, base_fee=100)
    return builder.add_time_bounds(0, 0)


def _signed(builder: TransactionBuilder, key: Keypair) -> str:
    envelope = builder.build()
    envelope.sign(key)
    return envelope.to_xdr()


def _book(offers: int, asset: Asset, taker: str) -> list[Entry]:
    """Makers who sell one DLC an offer, at prices from 1 to 2 lumens; and a taker with lumens."""
    makers = [Keypair.random().public_key for _ in range(-(-offers // OFFERS_PER_MAKER))]
    mine = [offers // len(makers) + (index < offers % len(makers)) for index in range(len(makers))]
    entries: list[Entry] = [Account(taker, RICH, 0, subentries=1), _line(taker, asset)]
    entries.append(Account(asset.issuer, RICH, 0))
    for maker, count in zip(makers, mine, strict=True):
        entries += [Account(maker, RICH, 0, subentries=count + 1), _line(maker, asset)]
    for index in range(offers):
        price = 10_000 + (index * 7_919) % 10_000
        entries.append(Offer(index + 1, makers[index % len(makers)], asset, NATIVE, 10_000_000, price, 10_000))
    return entries


def _line(account: str, asset: Asset) -> TrustLine:
    return TrustLine(account, asset, RICH, MAX, AUTHORIZED)


def _acquire_all(state: LedgerState) -> None:
    start = state.savepoint()
    for entry in state:
        if isinstance(entry, Offer):
            acquire(state, entry)
    state.commit(state.changes_since(start))
