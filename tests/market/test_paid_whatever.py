"""What an initiator may try after a car was accepted, each thing by its name: the car has its pay all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from stellar_sdk import (
    AuthorizationFlag,
    Keypair,
    ManageData,
    ManageSellOffer,
    PathPaymentStrictSend,
    Payment,
    Price,
    SetOptions,
    SetTrustLineFlags,
    TrustLineFlags,
)
from stellar_sdk.operation import Operation

from agent.core.money import UNIT, XLM, Asset
from agent.core.record import MAX_ENTRIES
from agent.ledger.envelope import opened, sdk_asset
from agent.market import publish
from agent.market.settlement import read
from agent.validator.rounds import Rounds
from tests.hostile.rogue import Rogue
from tests.market.settling import applied, drawn_up, redeems, refusal
from tests.market.town import REWARD, Town, found
from tools.localnet.server import Localnet

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"), budget="2000")


Tries = Callable[[Town, Keypair], list[Operation]]


def freezes(account: Callable[[Town, Keypair], str], asset: Callable[[Town], Asset]) -> Tries:
    """In the issuer's name: it would have to be able to, first."""

    def tries(town: Town, car: Keypair) -> list[Operation]:
        clear, issuer = TrustLineFlags.AUTHORIZED_FLAG, town.round.issuer
        return [
            SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE, source=issuer),
            SetTrustLineFlags(account(town, car), sdk_asset(asset(town)), clear_flags=clear, source=issuer),
        ]

    return tries


def sign(town: Town, amount: str, price: Price) -> list[Operation]:
    dlm = sdk_asset(town.round.model_asset)
    mine = [offer for offer in town.horizon.offers(town.initiator.public_key) if offer.selling == XLM]
    return [ManageSellOffer(sdk_asset(XLM), dlm, amount, price, offer_id=mine[0].id if mine else 0)]


def mints(town: Town, car: Keypair) -> list[Operation]:
    dlm, initiator = sdk_asset(town.round.model_asset), town.initiator.public_key
    return [
        Payment(initiator, dlm, "1000000", source=town.round.issuer),
        PathPaymentStrictSend(initiator, dlm, "1000", sdk_asset(XLM), "1", []),
    ]


MAY = {
    "reprices its offer": lambda town, car: sign(town, "40", Price(10, 1)),
    "withdraws its offer": lambda town, car: sign(town, "0", Price(1, 1)),
}
"""Its own sign is its own."""
MAY_NOT = {
    "freezes the car's line of VLM": freezes(lambda town, car: car.public_key, lambda town: town.round.credit_asset),
    "freezes the settlement account's line of DLM": freezes(
        lambda town, car: town.settlement, lambda town: town.round.model_asset
    ),
    "freezes the settlement account's line of VLM": freezes(
        lambda town, car: town.settlement, lambda town: town.round.credit_asset
    ),
    "makes DLM and empties what stands on offer": mints,
}


@pytest.mark.parametrize("attack", [*MAY, *MAY_NOT])
def test_after_a_car_was_accepted_its_initiator(town: Town, attack: str) -> None:
    car = town.driver()
    assert applied(town, drawn_up(town, [(car, UNIT)])) == ""
    for operation in {**MAY, **MAY_NOT}[attack](town, car):
        assert bool(refusal(town, operation, town.initiator)) == (attack in MAY_NOT)
    assert redeems(town, car, UNIT, REWARD) >= REWARD


def test_the_issuers_own_key_makes_nothing_freezes_nothing_and_says_nothing_else(town: Town) -> None:
    """An initiator may have kept it. It signs for its own account, and for the transaction itself."""
    rogue = Rogue(town)
    rogue.sets_up()
    issuer, dlm = rogue.issuer, sdk_asset(rogue.dlm())
    for tried in (
        Payment(rogue.account, dlm, "1000000"),
        SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE),
        ManageData(publish.FACE, None),
        ManageData(publish.INITIATOR, None),
        SetOptions(master_weight=1),
    ):
        assert "BAD_AUTH" in refusal(town, tried, issuer)


def test_a_full_record_is_98_operations_and_redeems_to_the_stroop(town: Town) -> None:
    made = opened(drawn_up(town, [(town.driver(), UNIT) for _ in range(MAX_ENTRIES)]), town.net.passphrase)
    assert len(made.operations) == 3 * MAX_ENTRIES + 5 == 98
    assert len(read(made, town.settlement)) == MAX_ENTRIES


def test_a_round_whose_pay_is_not_locked_for_longer_than_that_of_the_round_before_is_not_served(town: Town) -> None:
    rogue = Rogue(town)
    first = rogue.publishes()
    before = town.shelf.round(first).pledge
    rogue.publishes(number=1, previous=first, settlement=town.shelf.round(first).settlement, pledge=before)
    rounds = Rounds(town.horizon, town.shelf, (rogue.account,), town.committee[0])
    rounds.look()
    assert not rounds.served
    assert "the pay of round 1 is not locked for longer than that of round 0" in " ".join(rounds.troubles)
