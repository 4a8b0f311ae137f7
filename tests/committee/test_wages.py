"""The fee of each settled entry goes to the validators whose vote agreed with the outcome, and none stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import ChangeTrust

from agent.ledger.envelope import opened, sdk_asset
from tests.committee.palace import Palace
from tests.market.town import BASE, FEE
from tests.validator.test_settling import scaled
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture
def palace(tmp_path: Path) -> Iterator[Palace]:
    with Localnet() as net:
        made = Palace(net, tmp_path, others=1)
        yield made
        made.house.close()


def may_hold(palace: Palace, *numbers: int) -> None:
    for number in numbers:
        key = palace.town.committee[number]
        palace.town.apply([ChangeTrust(sdk_asset(palace.town.dlc))], key)
        palace.town.allow(key.public_key)


def held(palace: Palace, account: str) -> int:
    found = palace.town.horizon.account(account)
    line = found.lines.get(palace.town.dlc) if found is not None else None
    return line.balance if line is not None else 0


def test_fees_are_paid_once_the_round_is_closed_and_forfeits_never_are(palace: Palace) -> None:
    town, house = palace.town, palace.house
    may_hold(palace, 0, 1, 2)
    bad = town.driver()
    house.settle(
        palace.enter(1), palace.enter(2), town.enter(bad, town.contribution(bad, scaled(town.better(seed=3), -9)))
    )
    assert sum(palace.records()[-1].wages.due.values()) == 2 * FEE
    assert held(palace, town.settlement) == 2 * FEE + BASE
    palace.close()
    house.turn(20)
    earned = [held(palace, account) for account in palace.accounts(0, 1, 2)]
    assert sum(earned) == 2 * FEE
    assert max(earned) - min(earned) <= FEE
    record = palace.records()[-1]
    assert record.wages is None
    assert held(palace, town.settlement) == record.purse.forfeited < BASE


def test_who_left_is_paid_by_who_came_and_who_can_hold_no_dlc_leaves_it_to_vehicles(palace: Palace) -> None:
    may_hold(palace, 2)
    palace.house.settle(palace.enter(1), palace.enter(2))
    due = palace.records()[-1].wages.due
    palace.close(0, 1, 3)
    palace.house.turn(25)
    assert palace.numbers() == {0, 1, 3}
    gone = palace.accounts(2)[0]
    assert held(palace, gone) == due.get(gone, 0)
    record = palace.records()[-1]
    if gone in due:
        assert record.wages is None
        assert record.purse.forfeited == 2 * FEE - due[gone]


def test_a_settlement_of_31_has_no_more_operations_for_it(palace: Palace) -> None:
    """What is earned is owed by the record, and paid by a transaction of its own."""
    may_hold(palace, 0, 1, 2)
    palace.house.settle(palace.enter(1), palace.enter(2))
    town = palace.town
    envelopes = [opened(t.envelope, town.net.passphrase) for t in town.history(town.settlement)]
    (settled,) = [e for e in envelopes if e.source == town.settlement and len(e.operations) > 3]
    assert len(settled.operations) == 2 * 3 + 5
    assert 31 * 3 + 5 == 98
