"""Offers on the book: what an initiator's own data entry names is a training offer, and nothing hides one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import ChangeTrust, Keypair, ManageData, ManageSellOffer, Payment, Price

from agent.core.cid import Cid
from agent.core.money import UNIT, Asset
from agent.ledger.envelope import sdk_asset
from agent.market.listing import Listing, listings, training_offers
from agent.market.publish import Sign
from tests.market.town import Town, found
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"))


def initiator(town: Town) -> tuple[Keypair, Asset]:
    key = Keypair.random()
    town.net.fund(key.public_key)
    return key, Asset("DLMx", key.public_key)


def the_listing(town: Town, account: str) -> Listing:
    ((listed,), passed_over) = listings(town.horizon, account)
    assert not passed_over
    return listed


def why_not(town: Town, account: str) -> str:
    """Why its offer stands for nothing."""
    (listed, (why,)) = listings(town.horizon, account)
    assert not listed
    return why


def test_an_offer_stands_for_the_round_that_its_initiators_data_entry_names(town: Town) -> None:
    listed = the_listing(town, town.initiator.public_key)
    assert (listed.cid, listed.ledger) == (town.cid, town.round.ledger)


def test_a_new_round_takes_the_same_offer(town: Town) -> None:
    key, dlm = initiator(town)
    old, new = Cid.v0(b"\x01" * 32), Cid.v0(b"\x02" * 32)
    town.offer(key, dlm, old.digest)
    first = the_listing(town, key.public_key)
    assert first.cid == str(old)
    town.offer(key, dlm, new.digest, 200 * UNIT, first.offer.id)
    again = the_listing(town, key.public_key)
    assert (again.offer.id, again.offer.amount, again.cid) == (first.offer.id, 200 * UNIT, str(new))


def test_no_other_offer_of_the_initiator_stands_for_the_round(town: Town) -> None:
    key, dlm = initiator(town)
    town.offer(key, dlm, b"\x03" * 32)
    real = the_listing(town, key.public_key)
    town.apply([ManageSellOffer(SdkAsset.native(), sdk_asset(dlm), "5", Price(9, 1))], key)
    found, passed_over = listings(town.horizon, key.public_key)
    assert not found
    assert all("names none of several offers" in why for why in passed_over)
    town.offer(key, dlm, b"\x03" * 32, id=real.offer.id)
    ((listed,), (why,)) = listings(town.horizon, key.public_key)
    assert listed.offer.id == real.offer.id
    assert f"its data entry names offer {real.offer.id}" in why


def test_an_offer_is_found_however_much_has_happened_to_its_account_since(town: Town) -> None:
    """Anybody can pay an initiator a stroop, and every vehicle that is paid fills a part of the offer."""
    key, dlm = initiator(town)
    cid = Cid.v0(b"\x04" * 32)
    town.offer(key, dlm, cid.digest)
    buyer = Keypair.random()
    town.net.fund(buyer.public_key)
    town.apply([ChangeTrust(sdk_asset(dlm))], buyer)
    town.apply([Payment(buyer.public_key, sdk_asset(dlm), "15")], key)
    for _ in range(6):
        town.apply([Payment(key.public_key, SdkAsset.native(), "0.0000001")], buyer)
        town.apply([ManageSellOffer(sdk_asset(dlm), SdkAsset.native(), "2", Price(9, 10))], buyer)
    listed = the_listing(town, key.public_key)
    assert (listed.offer.amount, listed.cid) == (100 * UNIT - 12 * 9_990_000, str(cid))


@pytest.mark.parametrize("said", [None, "", "1234", b"\x00" * 43, b"\x00" * 45])
def test_an_offer_of_which_nobody_says_what_for_is_passed_over(town: Town, said: str | bytes | None) -> None:
    key, dlm = initiator(town)
    town.offer(key, dlm, b"\x06" * 32)
    town.apply([ManageData("milepost/DLMx", said)], key)
    assert "no data entry milepost/DLMx that names a round" in why_not(town, key.public_key)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1))
def test_a_data_entry_is_the_same_after_a_trip_through_its_bytes(digest: bytes, offer: int, ledger: int) -> None:
    sign = Sign(str(Cid.v0(digest)), offer, ledger)
    assert Sign.read(sign.to_bytes()) == sign
    assert len(sign.to_bytes()) <= 64  # what a ledger takes


def test_only_offers_of_lumens_for_a_model_are_training_offers(town: Town) -> None:
    """Whose model it is says the round, and its issuer for ever."""
    key, dlm = initiator(town)
    other = SdkAsset("GOLD", key.public_key)
    for buying in (sdk_asset(dlm), other):
        town.apply([ManageSellOffer(SdkAsset.native(), buying, "5", Price(1, 1))], key, memo=b"\x05" * 32)
    assert [offer.buying for offer in training_offers(town.horizon, key.public_key)] == [dlm]
    assert len(town.horizon.offers(key.public_key)) == 2
