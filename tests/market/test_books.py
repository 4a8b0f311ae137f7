"""Whoever wonders how a credit becomes pay sees the three order books, and who offers on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import ChangeTrust, Keypair, ManageBuyOffer, ManageSellOffer, Price

from agent.core.money import UNIT, XLM, Asset
from agent.ledger.envelope import sdk_asset
from agent.market import books
from agent.market.books import Books
from tests.hostile.steps import a_context, accept, entered
from tests.market.town import FEE, REWARD, Town, found
from tests.vehicle.test_offers import Car, milepost
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A car's entry was accepted, and it has not redeemed its credit yet."""
    with Localnet() as net:
        made = found(net, tmp_path_factory.mktemp("town"), committee=1)
        yield made


@pytest.fixture(scope="module")
def car(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Keypair:
    key = town.driver()
    accept(town, entered(a_context(town, key, tmp_path_factory.mktemp("car"))), key.public_key)
    return key


def shown(town: Town, folder: Path, *words: str, **tables: Any) -> dict[str, Any]:
    """By the verb."""
    folder.mkdir(exist_ok=True)
    config = Car(town, Keypair.random(), folder).config(**tables)
    told = milepost(config, "book", str(town.round.model_asset), *words)
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout) if "--json" in words else {"text": told.stdout}
    return answer


def test_each_book_says_who_gives_what_for_one(town: Town, car: Keypair, tmp_path: Path) -> None:
    said = shown(town, tmp_path, "--json")
    assert (said["initiator"], said["settlement"], said["whole"]) == (town.initiator.public_key, town.settlement, True)
    credit, pay, bids = (said["books"][name]["offers"] for name in ("credit", "pay", "bids"))
    assert [(o["who"], o["each"]) for o in credit] == [("settlement", "1")]
    assert [(o["who"], o["amount"], o["each"]) for o in pay[:1]] == [("settlement", REWARD, str(REWARD // UNIT))]
    assert [o["who"] for o in pay[1:]] == ["initiator"]  # its sign, never the best price
    assert said["locked"] == 1000 * UNIT - REWARD
    assert [(o["seller"], o["who"], o["amount"]) for o in bids] == [(car.public_key, "", FEE)]
    text = shown(town, tmp_path)["text"]
    assert f"{town.initiator.public_key}  initiator" in text
    assert "DLMroad for VLMroad: what the committee gives for credit" in text
    assert "40.0000000 for 1.0" in text
    assert "960.0000000 XLM more are locked" in text


def test_without_the_store_the_ledger_is_shown_all_the_same(town: Town, car: Keypair, tmp_path: Path) -> None:
    said = shown(town, tmp_path, "--json", content={"stores": [f"folder:{tmp_path}/nothing"]})
    assert (said["settlement"], said["locked"]) == (None, None)
    assert [o["who"] for o in said["books"]["credit"]["offers"]] == [""]
    assert len(said["books"]["bids"]["offers"]) == 1


def test_a_better_offer_stands_first_and_other_peoples_dlc_is_another_book(town: Town, car: Keypair) -> None:
    stranger = town.driver()
    dlm, vlm, forged = (
        sdk_asset(a) for a in (town.round.model_asset, town.round.credit_asset, Asset("DLC", stranger.public_key))
    )
    town.apply(
        [
            ChangeTrust(dlm),
            ManageSellOffer(sdk_asset(XLM), dlm, "1", Price(1, 50)),
            ManageBuyOffer(forged, vlm, "7", Price(100, 1)),
        ],
        stranger,
    )
    seen = look(town)
    assert [seen.pay.each(offer) for offer in seen.pay.offers][:2] == [50, 40]
    assert stranger.public_key not in {offer.seller for offer in seen.bids.offers}
    everybodys = books.books(town.horizon, town.round.model_asset, None)
    assert stranger.public_key in {offer.seller for offer in everybodys.bids.offers}


def test_more_offers_than_are_looked_at_are_told(town: Town, car: Keypair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(town).is_whole
    monkeypatch.setattr(books, "MOST", 1)
    assert not look(town).is_whole


def test_what_is_no_model_or_of_nobody_is_told(town: Town, tmp_path: Path) -> None:
    config = Car(town, Keypair.random(), tmp_path).config()
    operator = town.operator.public_key
    mistyped = operator[:-1] + ("B" if operator.endswith("A") else "A")
    for name in ("road", "XLM", f"DLC:{operator}", f"DLMroad:{mistyped}"):
        assert milepost(config, "book", name).returncode == 2
    nobodys = milepost(config, "book", f"DLMroad:{Keypair.random().public_key}")
    assert (nobodys.returncode, "nobody holds the account of its issuer" in nobodys.stderr) == (1, True)
    empty = milepost(config, "book", f"DLMcity:{town.initiator.public_key}")
    assert (empty.returncode, empty.stdout.count("nobody offers any")) == (0, 3)


def look(town: Town) -> Books:
    return books.books(town.horizon, town.round.model_asset, town.round)
