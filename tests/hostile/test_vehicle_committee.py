"""What a vehicle cannot do to the others that are settled together with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import ChangeTrust, Claimant, ClaimClaimableBalance, ClaimPredicate, CreateClaimableBalance, Keypair

from agent.core.ledger import BALANCE_V0
from agent.core.money import text
from agent.ledger.envelope import sdk_asset, stake_id
from agent.ledger.horizon import Horizon
from tests.core.chamber import Chamber, a_review
from tests.market.town import BASE, REVIEW_S, Town, found
from tests.validator.committee import House
from tests.validator.test_settling import honest
from tools.localnet.server import Localnet


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path / "town")


@pytest.mark.parametrize("remembers", [True, False])
def test_what_made_a_settlement_fail_does_not_hold_up_the_others(remembers: bool) -> None:
    """(j) Whatever it was, and whoever looks, also where no history says what it was."""
    chamber = Chamber(3)
    chamber.remembers = remembers
    good, bad = [a_review(n) for n in range(1, 5)], a_review(9, ledger=1)
    chamber.enters(*good, bad)
    chamber.failing = {bad.id}
    for _ in range(6 if remembers else 60):
        chamber.tick()
    assert chamber.ends.keys() == {review.id for review in good}


@pytest.mark.slow
def test_a_third_claimant_who_is_faster_than_the_settlement_costs_the_others_one_ledger(
    town: Town, house: House
) -> None:
    """(j) It takes the stake in the very ledger that was to settle it, together with an honest one."""
    vehicle, third = town.driver(), Keypair.random()
    town.net.fund(third.public_key)
    dlc = sdk_asset(town.dlc)
    town.apply([ChangeTrust(dlc)], third)
    town.allow(third.public_key)
    back = ClaimPredicate.predicate_not(
        ClaimPredicate.predicate_before_absolute_time(town.horizon.head().closed_at + REVIEW_S)
    )
    claimants = [Claimant(town.settlement), Claimant(vehicle.public_key, back), Claimant(third.public_key)]
    memo = town.contribution(vehicle, town.better(seed=1)).digest
    made = town.apply([CreateClaimableBalance(dlc, text(BASE), claimants)], vehicle, memo=memo)
    taken, good = stake_id(made.envelope, town.net.passphrase, 0), honest(town, 2)
    house.broker.stop()
    house.turn(3)
    house.broker.start()  # both are ripe at once
    takes = town.signed([ClaimClaimableBalance(BALANCE_V0 + taken)], third)
    Horizon(town.net.url, town.net.passphrase).hand_in(takes.envelope)
    for _ in range(3):  # within one ledger
        for validator in house.validators.values():
            validator.turn()
    town.net.close_ledger()
    house.settle(good, turns=10)
    assert house.end(good).outcome == "accepted"
