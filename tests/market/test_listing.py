"""Offers on the book: only what an initiator signed with a hash memo is a training offer, and a fill hides none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import ChangeTrust, Keypair, ManageData, ManageSellOffer, Payment, Price, SetOptions, Signer

from agent.core.cid import Cid
from agent.core.money import UNIT, Asset
from agent.ledger.envelope import sdk_asset, with_signatures
from agent.market import publish
from agent.market.listing import NotPublished, listing, training_offers
from tests.market.town import REWARD, Town, found
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


def initiator(town: Town) -> tuple[Keypair, Asset]:
    key = Keypair.random()
    town.net.fund(key.public_key)
    return key, Asset("DLMx", key.public_key)


def test_an_offer_stands_for_the_round_in_its_memo(town: Town) -> None:
    (offer,) = training_offers(town.horizon, town.initiator.public_key)
    listed = listing(town.horizon, offer)
    assert listed.cid == town.cid
    assert listed.reward == REWARD


def test_a_new_round_takes_the_same_offer(town: Town) -> None:
    key, dlm = initiator(town)
    old, new = Cid.v0(b"\x01" * 32), Cid.v0(b"\x02" * 32)
    town.offer(key, dlm, old.digest)
    (offer,) = training_offers(town.horizon, key.public_key)
    assert listing(town.horizon, offer).cid == str(old)
    town.offer(key, dlm, new.digest, 200 * UNIT, offer.id)
    (again,) = training_offers(town.horizon, key.public_key)
    assert (again.id, again.amount) == (offer.id, 200 * UNIT)
    assert listing(town.horizon, again).cid == str(new)


def test_an_offer_whose_memo_is_no_hash_is_passed_over_with_a_reason(town: Town) -> None:
    key, dlm = initiator(town)
    town.offer(key, dlm, None)
    (offer,) = training_offers(town.horizon, key.public_key)
    with pytest.raises(NotPublished, match=rf"Offer {offer.id} of {key.public_key}.*memo is not a hash"):
        listing(town.horizon, offer)


def test_an_offer_that_another_key_signed_is_passed_over(town: Town) -> None:
    """A signer with enough weight can move the account; it cannot speak for the initiator."""
    key, dlm = initiator(town)
    other = Keypair.random()
    town.net.fund(other.public_key)
    town.apply([SetOptions(signer=Signer.ed25519_public_key(other.public_key, 1))], key)
    made = town.signed(publish.offer(dlm, 100 * UNIT, UNIT, town.horizon.head().sequence), key, memo=b"\x03" * 32)
    signature = other.sign(bytes.fromhex(made.hash))
    stolen = with_signatures(made.envelope, town.net.passphrase, [(other.signature_hint(), signature)])
    town.horizon.hand_in(stolen.envelope)
    (offer,) = training_offers(town.horizon, key.public_key)
    with pytest.raises(NotPublished, match="not signed by the initiator"):
        listing(town.horizon, offer)


def test_an_offer_is_found_however_much_has_happened_to_its_account_since(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can pay an initiator a stroop, and every vehicle that is paid fills a part of the offer."""
    monkeypatch.setattr("agent.market.listing.LOOK_AHEAD", 4)
    key, dlm = initiator(town)
    cid = Cid.v0(b"\x04" * 32)
    town.offer(key, dlm, cid.digest)
    buyer = Keypair.random()
    town.net.fund(buyer.public_key)
    town.apply([ChangeTrust(sdk_asset(dlm))], buyer)
    town.apply([Payment(buyer.public_key, sdk_asset(dlm), "15")], key)
    for _ in range(6):
        town.apply([Payment(key.public_key, SdkAsset.native(), "0.0000001")], buyer)
        town.apply([ManageSellOffer(sdk_asset(dlm), SdkAsset.native(), "2", Price(1, 1))], buyer)
    (offer,) = training_offers(town.horizon, key.public_key)
    assert offer.amount == 88 * UNIT
    assert listing(town.horizon, offer).cid == str(cid)


@pytest.mark.parametrize("said", [None, "", "soon", "-1", "9" * 11])
def test_an_offer_of_which_nobody_says_since_when_it_stands_is_passed_over(town: Town, said: str | None) -> None:
    key, dlm = initiator(town)
    town.offer(key, dlm, b"\x06" * 32)
    town.apply([ManageData("milepost/DLMx", said)], key)
    (offer,) = training_offers(town.horizon, key.public_key)
    with pytest.raises(NotPublished, match="no data entry milepost/DLMx that names a ledger"):
        listing(town.horizon, offer)


def test_only_offers_of_lumens_for_the_initiators_own_model_are_training_offers(town: Town) -> None:
    key, _ = initiator(town)
    stranger, _ = initiator(town)
    foreign = SdkAsset("DLMx", stranger.public_key)
    other = SdkAsset("GOLD", key.public_key)
    town.apply([ChangeTrust(foreign)], key)
    for buying in (foreign, other):
        town.apply([ManageSellOffer(SdkAsset.native(), buying, "5", Price(1, 1))], key, memo=b"\x05" * 32)
    assert training_offers(town.horizon, key.public_key) == []
    assert len(town.horizon.offers(key.public_key)) == 2
