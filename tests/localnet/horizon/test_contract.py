"""Every endpoint that the SDK's Server calls, through Server and ServerAsync, against a real process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from stellar_sdk import Asset, ServerAsync, TransactionBuilder

XLM = Asset.native()

# name: (the call, the fields of its answer or of its first record, whether it is a page)
Call = Callable[[Any, Any], Any]
OBJECTS: dict[str, tuple[Call, set[str]]] = {
    "root": (lambda s, t: s.root(), {"horizon_version", "network_passphrase", "history_latest_ledger"}),
    "fee_stats": (
        lambda s, t: s.fee_stats(),
        {"last_ledger", "ledger_capacity_usage", "fee_charged", "max_fee"},
    ),
    "account": (
        lambda s, t: s.accounts().account_id(t.maker.public_key),
        {
            "id",
            "account_id",
            "sequence",
            "sequence_ledger",
            "sequence_time",
            "subentry_count",
            "thresholds",
            "flags",
        }
        | {
            "balances",
            "signers",
            "data",
            "num_sponsoring",
            "num_sponsored",
            "last_modified_time",
            "paging_token",
        },
    ),
    "data": (lambda s, t: s.data(t.maker.public_key, "notes"), {"value"}),
    "offer": (
        lambda s, t: s.offers().offer(t.offer_id),
        {"id", "seller", "selling", "buying", "amount", "price_r"},
    ),
    "orderbook": (lambda s, t: s.orderbook(t.gold, XLM), {"bids", "asks", "base", "counter"}),
    "transaction": (
        lambda s, t: s.transactions().transaction(t.hashes["take"]),
        {
            "id",
            "hash",
            "successful",
            "ledger",
            "envelope_xdr",
            "result_xdr",
            "memo_type",
            "signatures",
            "max_fee",
        }
        | {"source_account", "source_account_sequence", "fee_account", "fee_charged", "operation_count"},
    ),
    "ledger": (
        lambda s, t: s.ledgers().ledger(2),
        {"id", "hash", "prev_hash", "sequence", "closed_at", "total_coins", "fee_pool", "header_xdr"}
        | {"successful_transaction_count", "failed_transaction_count", "operation_count", "max_tx_set_size"},
    ),
    "claimable_balance": (
        lambda s, t: s.claimable_balances().claimable_balance(t.balance_id),
        {"id", "asset", "amount", "sponsor", "claimants", "flags", "last_modified_ledger", "paging_token"},
    ),
    "strict_send_paths": (
        lambda s, t: s.strict_send_paths(XLM, "2", [t.silver]),
        {"_embedded"},
    ),
    "strict_receive_paths": (
        lambda s, t: s.strict_receive_paths(t.taker.public_key, t.silver, "1"),
        {"_embedded"},
    ),
}
PAGES: dict[str, tuple[Call, set[str]]] = {
    "accounts by signer": (lambda s, t: s.accounts().for_signer(t.taker.public_key), {"account_id"}),
    "accounts by asset": (lambda s, t: s.accounts().for_asset(t.gold), {"account_id"}),
    "offers": (lambda s, t: s.offers(), {"id", "seller"}),
    "offers of an account": (lambda s, t: s.offers().for_account(t.maker.public_key), {"id"}),
    "offers of a seller": (lambda s, t: s.offers().for_seller(t.maker.public_key), {"id"}),
    "offers of a pair": (lambda s, t: s.offers().for_selling(t.gold).for_buying(XLM), {"id", "price"}),
    "transactions": (lambda s, t: s.transactions(), {"hash"}),
    "transactions of an account": (lambda s, t: s.transactions().for_account(t.taker.public_key), {"hash"}),
    "transactions of a ledger": (lambda s, t: s.transactions().for_ledger(2), {"hash"}),
    "transactions of a balance": (
        lambda s, t: s.transactions().for_claimable_balance(t.spent_balance_id),
        {"hash"},
    ),
    "transactions with failed": (lambda s, t: s.transactions().include_failed(True), {"hash"}),
    "operations": (lambda s, t: s.operations(), {"type", "type_i", "source_account", "transaction_hash"}),
    "operations with transactions": (lambda s, t: s.operations().join("transactions"), {"transaction"}),
    "operations of an account": (lambda s, t: s.operations().for_account(t.maker.public_key), {"type"}),
    "operations of a ledger": (lambda s, t: s.operations().for_ledger(2), {"type", "starting_balance"}),
    "operations of a transaction": (lambda s, t: s.operations().for_transaction(t.hashes["take"]), {"type"}),
    "operations of a balance": (
        lambda s, t: s.operations().for_claimable_balance(t.spent_balance_id),
        {"type"},
    ),
    "payments": (lambda s, t: s.payments(), {"type", "created_at"}),
    "payments of an account": (lambda s, t: s.payments().for_account(t.taker.public_key), {"type"}),
    "payments of a ledger": (lambda s, t: s.payments().for_ledger(2), {"type"}),
    "payments of a transaction": (lambda s, t: s.payments().for_transaction(t.hashes["path"]), {"path"}),
    "effects": (lambda s, t: s.effects(), {"id", "account", "type", "type_i"}),
    "effects of an account": (lambda s, t: s.effects().for_account(t.taker.public_key), {"type"}),
    "effects of a ledger": (lambda s, t: s.effects().for_ledger(2), {"type"}),
    "effects of a transaction": (lambda s, t: s.effects().for_transaction(t.hashes["take"]), {"type"}),
    "trades": (lambda s, t: s.trades(), {"base_account", "counter_account", "price", "base_is_seller"}),
    "trades of a pair": (lambda s, t: s.trades().for_asset_pair(t.gold, XLM), {"base_amount"}),
    "trades of an account": (lambda s, t: s.trades().for_account(t.taker.public_key), {"trade_type"}),
    "trades of an offer": (lambda s, t: s.trades().for_offer(t.offer_id), {"trade_type"}),
    "trades by type": (lambda s, t: s.trades().for_trade_type("orderbook"), {"trade_type"}),
    "trade_aggregations": (
        lambda s, t: s.trade_aggregations(XLM, t.gold, 60_000),
        {
            "timestamp",
            "trade_count",
            "base_volume",
            "counter_volume",
            "avg",
            "high",
            "low",
            "open_r",
            "close",
        },
    ),
    "ledgers": (lambda s, t: s.ledgers(), {"sequence", "closed_at"}),
    "assets": (
        lambda s, t: s.assets(),
        {"asset_code", "accounts", "balances", "flags", "num_claimable_balances"},
    ),
    "assets of a code": (lambda s, t: s.assets().for_code("GOLD"), {"asset_code"}),
    "assets of an issuer": (lambda s, t: s.assets().for_issuer(t.issuer.public_key), {"asset_issuer"}),
    "claimable_balances": (lambda s, t: s.claimable_balances(), {"id", "claimants"}),
    "balances of an asset": (lambda s, t: s.claimable_balances().for_asset(t.gold), {"id"}),
    "balances of a claimant": (lambda s, t: s.claimable_balances().for_claimant(t.taker.public_key), {"id"}),
    "balances of a sponsor": (lambda s, t: s.claimable_balances().for_sponsor(t.maker.public_key), {"id"}),
}
EMPTY: dict[str, Call] = {
    "accounts of a sponsor": lambda s, t: s.accounts().for_sponsor(t.maker.public_key),
    "offers of a sponsor": lambda s, t: s.offers().for_sponsor(t.maker.public_key),
    "trades of pools": lambda s, t: s.trades().for_trade_type("liquidity_pool"),
    "liquidity_pools": lambda s, t: s.liquidity_pools(),
    "pools of an account": lambda s, t: s.liquidity_pools().for_account(t.maker.public_key),
}


def both(town: Any, call: Call) -> Any:
    """The answer, the same through either client."""

    async def through_async() -> Any:
        async with ServerAsync(town.client.net.url) as server:
            return await call(server, town).call()

    answer = call(town.client.server, town).call()
    assert asyncio.run(through_async()) == answer
    return answer


@pytest.mark.parametrize("name", OBJECTS)
def test_each_object_has_the_fields_that_clients_read(town: Any, name: str) -> None:
    call, fields = OBJECTS[name]
    assert fields <= both(town, call).keys()


@pytest.mark.parametrize("name", PAGES)
def test_each_page_has_records_with_the_fields_that_clients_read(town: Any, name: str) -> None:
    call, fields = PAGES[name]
    answer = both(town, call)
    assert answer["_embedded"]["records"], "nothing on the page"
    assert fields <= answer["_embedded"]["records"][0].keys()
    assert {"self", "next", "prev"} <= answer["_links"].keys()


@pytest.mark.parametrize("name", EMPTY)
def test_what_localnet_has_none_of_is_an_empty_page(town: Any, name: str) -> None:
    assert both(town, EMPTY[name])["_embedded"]["records"] == []


def test_the_base_fee_is_that_of_the_last_ledger(town: Any) -> None:
    assert town.client.server.fetch_base_fee() == 100


def test_the_asynchronous_client_loads_submits_and_is_answered_as_the_other(town: Any) -> None:
    net, key = town.client.net, town.client.account()

    async def pay() -> tuple[Any, Any, int]:
        async with ServerAsync(net.url) as server:
            account = await server.load_account(key.public_key)
            builder = TransactionBuilder(account, net.passphrase).add_time_bounds(0, 0)
            envelope = builder.append_payment_op(town.maker.public_key, XLM, "1").build()
            envelope.sign(key)
            queued = await server.submit_transaction_async(envelope)
            await asyncio.to_thread(net.close_ledger)
            return queued, await server.submit_transaction(envelope), await server.fetch_base_fee()

    queued, document, fee = asyncio.run(pay())
    assert (queued["tx_status"], fee) == ("PENDING", 100)
    assert document == town.client.server.transactions().transaction(queued["hash"]).call()


def test_the_sdk_learns_of_a_required_memo_from_the_accounts_data(town: Any) -> None:
    account = town.client.server.accounts().account_id(town.maker.public_key).call()
    assert account["data"] == {"notes": "aGVsbG8="}


PAGED = [name for name in PAGES if name != "trade_aggregations"]


@pytest.mark.parametrize("name", PAGED)
def test_walking_page_by_page_meets_every_record_once_in_either_direction(town: Any, name: str) -> None:
    call, _ = PAGES[name]
    server = town.client.server
    whole = [one["paging_token"] for one in call(server, town).limit(200).call()["_embedded"]["records"]]
    assert len(set(whole)) == len(whole)
    for descending in (False, True):
        seen, builder = [], call(server, town).limit(max(2, len(whole) // 3)).order(descending)
        page = builder.call()
        while page["_embedded"]["records"]:
            seen += [one["paging_token"] for one in page["_embedded"]["records"]]
            page = builder.next()
        assert seen == (whole[::-1] if descending else whole)


def test_the_previous_page_is_the_next_one_backwards(town: Any) -> None:
    builder = town.client.server.operations().limit(2)
    first = builder.call()["_embedded"]["records"]
    builder.next()
    back = builder.prev()["_embedded"]["records"]
    assert [one["id"] for one in back] == [one["id"] for one in first][::-1]


def test_now_is_behind_all_that_has_happened(town: Any) -> None:
    server = town.client.server
    page = server.operations().cursor("now").call()
    assert page["_embedded"]["records"] == []
    latest = server.operations().order().limit(1).call()["_embedded"]["records"][0]
    assert f"cursor={latest['paging_token']}" in page["_links"]["next"]["href"]
