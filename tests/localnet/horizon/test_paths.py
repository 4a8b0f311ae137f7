"""Paths that are found settle with exactly the amounts that were promised."""

from __future__ import annotations

from typing import Any

import pytest
import stellar_sdk as op
from stellar_sdk import Asset, Keypair, Price

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def market(client: Any) -> tuple[Any, Keypair, dict[str, Asset]]:
    """VLM buys DLM one for one, DLM buys XLM at 7/3, and a dearer way leads from VLM straight to XLM."""
    issuer, maker = client.account(), client.account()
    vlm, dlm, far = (Asset(code, issuer.public_key) for code in ("VLMroad", "DLMroad", "FAR"))
    client.apply(maker, *(op.ChangeTrust(asset) for asset in (vlm, dlm, far)))
    client.apply(issuer, *(op.Payment(maker.public_key, asset, "1000") for asset in (vlm, dlm, far)))
    client.apply(
        maker,
        op.ManageSellOffer(dlm, vlm, "100", Price(1, 1)),
        op.ManageSellOffer(Asset.native(), dlm, "100", Price(3, 7)),
        op.ManageSellOffer(Asset.native(), vlm, "100", Price(1, 1)),
        op.ManageSellOffer(far, Asset.native(), "100", Price(11, 13)),
    )
    vehicle = client.account()
    client.apply(vehicle, op.ChangeTrust(vlm), op.ChangeTrust(far))
    client.apply(issuer, op.Payment(vehicle.public_key, vlm, "50"))
    return client, vehicle, {"VLM": vlm, "DLM": dlm, "FAR": far}


def test_the_way_on_which_most_arrives_is_found_and_settles_as_promised(market: Any) -> None:
    client, vehicle, assets = market
    for wanted, hops in ((Asset.native(), 1), (assets["FAR"], 2)):
        found = client.server.strict_send_paths(assets["VLM"], "3.3333333", [wanted]).call()
        (path,) = found["_embedded"]["records"]
        assert len(path["path"]) == hops
        assert path["path"][0]["asset_code"] == "DLMroad"
        between = [
            Asset.native() if hop["asset_type"] == "native" else Asset(hop["asset_code"], hop["asset_issuer"])
            for hop in path["path"]
        ]
        name = client.apply(
            vehicle,
            op.PathPaymentStrictSend(
                vehicle.public_key, assets["VLM"], "3.3333333", wanted, path["destination_amount"], between
            ),
        )
        (done,) = client.server.operations().for_transaction(name).call()["_embedded"]["records"]
        assert done["transaction_successful"]
        assert done["amount"] == path["destination_amount"]


def test_the_way_that_costs_least_is_found_for_what_the_account_can_pay(market: Any) -> None:
    client, vehicle, assets = market
    found = client.server.strict_receive_paths(vehicle.public_key, assets["FAR"], "2.5").call()
    ways = {record.get("source_asset_code", "XLM"): record for record in found["_embedded"]["records"]}
    assert set(ways) == {"XLM", "VLMroad", "FAR"}
    assert ways["FAR"]["path"] == []
    cost = ways["VLMroad"]["source_amount"]
    path = [assets["DLM"], Asset.native()]
    envelope = op.PathPaymentStrictReceive(vehicle.public_key, assets["VLM"], cost, assets["FAR"], "2.5", path)
    name = client.apply(vehicle, envelope)
    (done,) = client.server.operations().for_transaction(name).call()["_embedded"]["records"]
    assert done["transaction_successful"]
    assert done["source_amount"] == cost


def test_no_way_is_found_for_more_than_the_book_holds(market: Any) -> None:
    client, _, assets = market
    found = client.server.strict_send_paths(assets["VLM"], "10000", [Asset.native()]).call()
    assert found["_embedded"]["records"] == []


def test_the_destinations_assets_may_be_those_that_an_account_holds(market: Any) -> None:
    client, vehicle, assets = market
    found = client.server.strict_send_paths(assets["VLM"], "1", vehicle.public_key).call()
    codes = {record.get("destination_asset_code", "XLM") for record in found["_embedded"]["records"]}
    assert codes == {"XLM", "FAR", "VLMroad"}
