"""What the documents say: values, names and orders that clients rely on."""

from __future__ import annotations

import base64
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stellar_sdk as op
from stellar_sdk import (
    Asset,
    HashMemo,
    IdMemo,
    MuxedAccount,
    Price,
    ReturnHashMemo,
    TextMemo,
    TransactionBuilder,
)

pytestmark = pytest.mark.slow


def records(builder: Any) -> list[dict[str, Any]]:
    return builder.limit(200).call()["_embedded"]["records"]


def effects(town: Any, name: str) -> list[dict[str, Any]]:
    return records(town.client.server.effects().for_transaction(town.hashes[name]))


def test_native_comes_last_among_the_balances_and_liabilities_are_shown(town: Any) -> None:
    account = town.client.server.accounts().account_id(town.maker.public_key).call()
    assert [one["asset_type"] for one in account["balances"]] == [
        "credit_alphanum4",
        "credit_alphanum12",
        "native",
    ]
    gold = account["balances"][0]
    assert gold["is_clawback_enabled"] is True
    assert gold["is_authorized"] and gold["is_authorized_to_maintain_liabilities"]
    assert float(gold["selling_liabilities"]) > 0


def test_the_master_key_is_among_the_signers(town: Any) -> None:
    signers = town.client.server.accounts().account_id(town.maker.public_key).call()["signers"]
    assert {(one["key"], one["weight"], one["type"]) for one in signers} == {
        (town.maker.public_key, 1, "ed25519_public_key"),
        (town.taker.public_key, 1, "ed25519_public_key"),
    }


def test_bids_are_inverted_offers_whose_amount_is_in_the_counter_asset(town: Any) -> None:
    book = town.client.server.orderbook(town.gold, Asset.native()).call()
    assert book["bids"] == [{"price_r": {"n": 1, "d": 1}, "price": "1.0000000", "amount": "10.0000000"}]
    assert [level["price"] for level in book["asks"]] == ["2.0000000"]
    mirrored = town.client.server.orderbook(Asset.native(), town.gold).call()
    assert mirrored["bids"][0]["price_r"] == {"n": 1, "d": 2}
    assert mirrored["bids"][0]["amount"] == book["asks"][0]["amount"]


def test_a_trade_has_base_and_counter_by_the_order_of_assets_whoever_sold(town: Any) -> None:
    server = town.client.server
    trade = records(server.trades().for_account(town.taker.public_key))[0]
    assert trade["base_asset_type"] == "native"
    assert (trade["base_amount"], trade["counter_amount"]) == ("20.0000000", "10.0000000")
    assert (trade["base_account"], trade["counter_account"]) == (town.taker.public_key, town.maker.public_key)
    assert trade["base_is_seller"] is False
    assert trade["price"] == {"n": "1", "d": "2"}
    flipped = records(server.trades().for_asset_pair(town.gold, Asset.native()))[0]
    assert flipped["price"] == {"n": "2", "d": "1"}
    assert flipped["base_is_seller"] is True
    assert flipped["base_amount"] == trade["counter_amount"]


def test_a_taker_without_an_offer_left_gets_a_synthetic_offer_id(town: Any) -> None:
    trade = records(town.client.server.trades().for_account(town.taker.public_key))[0]
    operation = int(trade["id"].partition("-")[0])
    assert int(trade["base_offer_id"]) == operation | 1 << 62
    assert trade["counter_offer_id"] == town.offer_id


def test_a_trade_is_one_effect_for_each_side(town: Any) -> None:
    taker, maker = effects(town, "take")
    assert (taker["type"], taker["account"], taker["seller"]) == (
        "trade",
        town.taker.public_key,
        town.maker.public_key,
    )
    assert (taker["sold_amount"], taker["sold_asset_type"]) == ("20.0000000", "native")
    assert (maker["sold_amount"], maker["sold_asset_code"]) == ("10.0000000", "GOLD")
    assert maker["seller"] == town.taker.public_key


def test_path_payments_say_what_was_really_sent_and_received(town: Any) -> None:
    send, receive = records(town.client.server.operations().for_transaction(town.hashes["path"]))
    assert send["type"] == "path_payment_strict_send"
    assert (send["source_amount"], send["amount"], send["destination_min"]) == (
        "4.0000000",
        "4.0000000",
        "1.0000000",
    )
    assert receive["type"] == "path_payment_strict_receive"
    assert (receive["source_amount"], receive["source_max"], receive["amount"]) == (
        "2.0000000",
        "10.0000000",
        "2.0000000",
    )
    assert [hop["asset_code"] for hop in receive["path"]] == ["GOLD"]


def test_operations_have_their_effects(town: Any) -> None:
    names = {name: [one["type"] for one in effects(town, name)] for name in town.hashes}
    created = ["claimable_balance_created", *["claimable_balance_claimant_created"] * 2, "account_debited"]
    assert names["issuer"] == ["account_home_domain_updated", "account_flags_updated"]
    assert names["make"] == []
    assert names["kept"] == [*created, "claimable_balance_sponsorship_created"]
    assert names["claim"] == [
        "claimable_balance_claimed",
        "account_credited",
        "claimable_balance_sponsorship_removed",
    ]
    assert names["clawback"] == [
        "claimable_balance_clawed_back",
        "account_credited",
        "claimable_balance_sponsorship_removed",
        "account_credited",
        "account_debited",
        "trustline_flags_updated",
    ]
    assert names["options"] == ["account_thresholds_updated", "signer_created", "data_created"]
    assert names["merge"] == ["account_debited", "account_credited", "account_removed"]
    assert names["path"].count("trade") == 8


COMMON = {"_links", "id", "paging_token", "account", "type", "type_i", "created_at"}


def test_flags_are_told_as_far_as_horizon_tells_them(town: Any) -> None:
    """It writes the other flags of an account down and does not show them."""
    flags = effects(town, "issuer")[1]
    assert (flags["type"], flags.keys()) == ("account_flags_updated", COMMON)
    line = effects(town, "clawback")[-1]
    assert (line["trustor"], line["asset_code"]) == (town.taker.public_key, "SILVERCOIN")
    assert line["clawback_enabled_flag"] is False


def test_a_claimant_is_told_the_predicate_that_was_asked_for(town: Any) -> None:
    created, _, later, *_ = effects(town, "kept")
    assert created.keys() == COMMON | {"balance_id", "amount", "asset"}
    assert later["account"] == town.maker.public_key
    assert later["predicate"] == {"not": {"rel_before": "3600"}}


def test_an_effect_has_the_number_of_its_type_and_the_paging_token_of_its_operation(town: Any) -> None:
    effect = effects(town, "merge")[2]
    operation = records(town.client.server.operations().for_transaction(town.hashes["merge"]))[0]
    assert effect["type_i"] == 1
    assert effect["paging_token"] == f"{operation['id']}-3"
    assert effect["id"] == f"{int(operation['id']):019d}-{3:010d}"


def test_a_claimable_balance_shows_its_predicates_with_absolute_times(town: Any) -> None:
    balance = town.client.server.claimable_balances().claimable_balance(town.balance_id).call()
    assert balance["id"].startswith("00000000") and len(balance["id"]) == 72
    assert balance["asset"] == f"GOLD:{town.issuer.public_key}"
    assert balance["sponsor"] == town.maker.public_key
    assert balance["claimants"][0]["predicate"] == {"unconditional": True}
    bound = balance["claimants"][1]["predicate"]["not"]
    assert set(bound) == {"abs_before", "abs_before_epoch"}
    assert balance["paging_token"] == f"{balance['last_modified_ledger']}-{balance['id']}"


def test_failed_transactions_are_shown_only_when_asked_for(town: Any) -> None:
    server = town.client.server
    assert town.failed not in [one["hash"] for one in records(server.transactions())]
    assert town.failed in [one["hash"] for one in records(server.transactions().include_failed(True))]
    shown = records(server.operations().for_transaction(town.failed))
    assert [one["transaction_successful"] for one in shown] == [False, False]


def test_a_crossed_offers_owner_has_the_transaction_but_not_the_operation_in_its_history(town: Any) -> None:
    server, maker = town.client.server, town.maker.public_key
    assert town.hashes["take"] in [one["hash"] for one in records(server.transactions().for_account(maker))]
    operations = records(server.operations().for_account(maker))
    assert town.hashes["take"] not in [one["transaction_hash"] for one in operations]


def test_an_accounts_history_outlives_the_account(town: Any) -> None:
    operation = records(town.client.server.operations().for_transaction(town.hashes["merge"]))[0]
    gone = operation["account"]
    types = [one["type"] for one in records(town.client.server.operations().for_account(gone))]
    assert types == ["create_account", "account_merge"]


def test_a_data_entry_is_also_served_raw(town: Any) -> None:
    path = f"/accounts/{town.maker.public_key}/data/notes"
    request = urllib.request.Request(town.client.net.url + path, headers={"Accept": "application/octet-stream"})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"hello"


def test_thresholds_are_told_all_three(town: Any) -> None:
    told = effects(town, "options")[0]
    assert (told["low_threshold"], told["med_threshold"], told["high_threshold"]) == (0, 1, 1)


def test_every_answer_says_what_is_left_of_the_quota(town: Any) -> None:
    with urllib.request.urlopen(f"{town.client.net.url}/ledgers/") as answer:
        assert answer.headers["Content-Type"] == "application/hal+json; charset=utf-8"
        assert int(answer.headers["X-RateLimit-Remaining"]) < int(answer.headers["X-RateLimit-Limit"])
        assert int(answer.headers["X-RateLimit-Reset"]) <= 3600


STATE = (
    "/accounts/{account}",
    "/accounts/{account}/data/notes",
    "/accounts/{account}/data/nothing",
    "/accounts/{account}/offers",
    "/accounts?signer={account}",
    "/accounts",
    "/offers",
    "/offers/{offer}",
    "/order_book?selling_asset_type=native&buying_asset_type=native",
    "/assets",
    "/claimable_balances",
    "/claimable_balances/{balance}",
    "/liquidity_pools",
    "/paths/strict-send?source_asset_type=native&source_amount=1&destination_assets=native",
)
OTHER = (
    "/",
    "/fee_stats",
    "/ledgers",
    "/transactions",
    "/operations",
    "/payments",
    "/effects",
    "/trades",
    "/accounts/{account}/transactions",
    "/accounts/{account}/operations",
    "/claimable_balances/{balance}/operations",
    "/offers/{offer}/trades",
    "/nowhere",
)


@pytest.mark.parametrize("path", STATE + OTHER)
def test_what_is_read_from_the_state_says_of_which_ledger_and_nothing_else_does(town: Any, path: str) -> None:
    known = {"account": town.maker.public_key, "offer": town.offer_id, "balance": town.balance_id}
    answer = requests.get(town.client.net.url + path.format(**known))
    latest = str(town.client.net.get("/")["history_latest_ledger"])
    assert answer.headers.get("Latest-Ledger") == (latest if path in STATE else None)


def test_a_stream_of_state_does_not_say_of_which_ledger(town: Any) -> None:
    address = f"{town.client.net.url}/accounts/{town.maker.public_key}"
    with requests.get(address, headers={"Accept": "text/event-stream"}, stream=True) as answer:
        assert "Latest-Ledger" not in answer.headers


def test_the_root_has_all_links_and_each_leads_somewhere(town: Any) -> None:
    links = town.client.net.get("/")["_links"]
    assert len(links) == 24
    for name, link in links.items():
        assert link.get("templated", False) == ("{" in link["href"]), name
        address = re.sub(r"\{\?[^}]*\}", "", link["href"])
        if "{" not in address and name not in ("friendbot", "accounts", "order_book") and "paths" not in name:
            assert requests.get(address).status_code == 200, name


def memos() -> Iterator[tuple[Any, dict[str, str]]]:
    digest = bytes(range(32))
    encoded = base64.b64encode(digest).decode()
    yield TextMemo("für dich"), {"memo_type": "text", "memo": "für dich", "memo_bytes": "ZsO8ciBkaWNo"}
    yield IdMemo(2**64 - 1), {"memo_type": "id", "memo": str(2**64 - 1)}
    yield HashMemo(digest), {"memo_type": "hash", "memo": encoded}
    yield ReturnHashMemo(digest), {"memo_type": "return", "memo": encoded}


def test_memos_are_written_as_horizon_writes_them(client: Any) -> None:
    sender = client.account()
    for memo, fields in memos():
        builder = TransactionBuilder(client.server.load_account(sender.public_key), client.net.passphrase)
        envelope = builder.append_bump_sequence_op(0).add_memo(memo).add_time_bounds(0, 0).build()
        envelope.sign(sender)
        client.server.submit_transaction_async(envelope)
        client.net.close_ledger()
        document = client.server.transactions().transaction(envelope.hash_hex()).call()
        assert {key: document.get(key) for key in fields} == fields


def test_muxed_parties_are_named_beside_their_accounts(client: Any) -> None:
    sender = client.account()
    muxed = MuxedAccount(sender.public_key, 7)
    name = client.apply(sender, op.Payment(muxed, Asset.native(), "1", source=muxed))
    payment = records(client.server.payments().for_transaction(name))[0]
    assert payment["to"] == payment["from"] == sender.public_key
    assert payment["to_muxed"] == payment["from_muxed"] == muxed.account_muxed
    assert payment["source_account_muxed_id"] == "7"


def test_preconditions_are_shown(client: Any) -> None:
    sender, other = client.account(), client.account()
    builder = TransactionBuilder(client.server.load_account(sender.public_key), client.net.passphrase)
    builder.append_bump_sequence_op(0).add_time_bounds(0, 4_000_000_000).set_ledger_bounds(0, 10**6)
    builder.set_min_sequence_age(0).set_min_sequence_number(0).add_extra_signer(
        op.SignerKey.ed25519_public_key(other.public_key)
    )
    envelope = builder.build()
    envelope.sign(sender)
    envelope.sign(other)
    client.server.submit_transaction_async(envelope)
    client.net.close_ledger()
    document = client.server.transactions().transaction(envelope.hash_hex()).call()
    assert document["preconditions"] == {
        "timebounds": {"max_time": "4000000000"},
        "ledgerbounds": {"min_ledger": 0, "max_ledger": 1000000},
        "min_account_sequence": "0",
        "extra_signers": [other.public_key],
    }


def test_a_fee_bump_is_found_by_either_hash_and_goes_by_the_one_asked_for(client: Any) -> None:
    sender, payer = client.account(), client.account()
    inner = client.envelope(sender, op.BumpSequence(0))
    bump = TransactionBuilder.build_fee_bump_transaction(payer, 200, inner, client.net.passphrase)
    bump.sign(payer)
    client.server.submit_transaction_async(bump)
    client.net.close_ledger()
    for name in (bump.hash_hex(), inner.hash_hex()):
        document = client.server.transactions().transaction(name).call()
        assert document["id"] == document["hash"] == name
        assert document["fee_bump_transaction"]["hash"] == bump.hash_hex()
        assert document["inner_transaction"]["hash"] == inner.hash_hex()
        assert document["fee_account"] == payer.public_key
        assert document["source_account"] == sender.public_key
        assert document["max_fee"] == "400"


def test_trades_are_summed_up_in_spans_of_time(town: Any) -> None:
    server = town.client.server
    spans = records(server.trade_aggregations(Asset.native(), town.gold, 3_600_000))
    trades = records(server.trades().for_asset_pair(Asset.native(), town.gold))
    assert sum(int(span["trade_count"]) for span in spans) == len(trades)
    assert spans[0]["open_r"] == {"n": "1", "d": "2"}
    mirrored = records(server.trade_aggregations(town.gold, Asset.native(), 3_600_000))
    assert mirrored[0]["base_volume"] == spans[0]["counter_volume"]
    assert mirrored[0]["high"] == "2.0000000"


def test_prices_are_exact_fractions_beside_seven_decimals(client: Any) -> None:
    seller, issuer = client.account(), client.account()
    asset = Asset("THIRD", issuer.public_key)
    client.apply(seller, op.ChangeTrust(asset))
    client.apply(seller, op.ManageSellOffer(Asset.native(), asset, "3", Price(2, 3)))
    offer = records(client.server.offers().for_account(seller.public_key))[0]
    assert offer["price_r"] == {"n": 2, "d": 3}
    assert offer["price"] == "0.6666667"
