"""When a round is closed, stakes that were forfeited by then go to those whose contributions made the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import ManageData, Payment

from agent.errors import Malformed
from agent.initiator import fusing, submitting
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market import sharing
from tests.market.town import BASE, Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


class Closed:
    """Two accepted entries, one with half the other's credit, one forfeited stake, and the round that was closed."""

    def __init__(self, town: Town, house: House) -> None:
        self.town, self.house = town, house
        self.whole, self.half, self.bad = (town.driver() for _ in range(3))
        harm = {name: -9 * value for name, value in town.better(seed=3).items()}
        entries = [
            town.enter(self.whole, town.contribution(self.whole, town.better(seed=1))),
            town.enter(self.half, town.contribution(self.half, town.better(seed=2), steps=5)),
            town.enter(self.bad, town.contribution(self.bad, harm)),
        ]
        house.settle(*entries)
        self.before = self.held()
        self.credits = [house.end(entry).credit for entry in entries]
        publisher = publisher_of(town)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(submitting, "POLL_S", 0.0)
            fused = fusing.close(publisher)
        publisher.book.journal.close()
        assert fused.published is not None
        self.cid = fused.published.cid
        self.next = town.shelf.round(self.cid)

    def held(self) -> list[int]:
        """DLC of the three."""
        keys = (self.whole, self.half, self.bad)
        return [self.town.horizon.account(key.public_key).lines[self.town.dlc].balance for key in keys]

    @property
    def got(self) -> list[int]:
        return [after - before for after, before in zip(self.held(), self.before, strict=True)]

    @property
    def shares(self) -> list[int]:
        """Of the one stake that was forfeited."""
        return [BASE * credit // sum(self.credits) for credit in self.credits]

    def payments(self) -> list[Payment]:
        """All shares that the ledger ever paid."""
        made = [opened(t.envelope, self.town.net.passphrase) for t in self.town.history(self.town.settlement)]
        whole = [e.operations for e in made if e.source == self.town.settlement]
        sharing = [operations for operations in whole if all(isinstance(o, (Payment, ManageData)) for o in operations)]
        return [o for operations in sharing for o in operations if isinstance(o, Payment)]


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Closed]:
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        house = House(town, tmp_path / "house")
        yield Closed(town, house)
        house.close()


def test_shares_are_paid_once_by_credit_and_what_rounding_leaves_is_kept(closed: Closed) -> None:
    closed.house.turn(5)
    whole, half, nothing = closed.shares
    assert closed.got == [whole, half, nothing]
    assert whole == pytest.approx(2 * half, rel=0.02)
    assert closed.house.chain_end().purse.forfeited == BASE - whole - half == 1
    for key in closed.town.committee:
        closed.house.restart(key.public_key)
    closed.house.turn(40)
    assert len(closed.payments()) == 2


def test_after_a_power_cut_between_signing_and_ledger_shares_are_still_paid_once(closed: Closed) -> None:
    house = closed.house
    for _ in range(3):  # within one ledger: handed in by then
        for validator in house.validators.values():
            validator.turn()
    assert "settlement.submitted" in house.log
    for key in closed.town.committee:
        house.restart(key.public_key)
    house.turn(10)
    assert closed.got == closed.shares
    assert len(closed.payments()) == 2


def test_who_may_not_hold_dlc_any_more_is_passed_over(closed: Closed) -> None:
    town = closed.town
    town.horizon.hand_in(town.forbid(closed.half.public_key).envelope)
    closed.house.turn(5)
    assert closed.got == [closed.shares[0], 0, 0]
    assert closed.house.chain_end().purse.forfeited == BASE - closed.shares[0]


def test_a_payee_that_makes_a_sharing_fail_is_passed_over_in_the_next_try(closed: Closed) -> None:
    town, house = closed.town, closed.house
    Horizon(town.net.url, town.net.passphrase).hand_in(town.forbid(closed.whole.public_key).envelope)
    for _ in range(3):
        for validator in house.validators.values():
            validator.turn()
    town.net.close_ledger()
    town.allow(closed.whole.public_key)
    house.restart(town.committee[1].public_key)
    house.turn(40)
    assert closed.got == [0, closed.shares[1], 0]


def test_a_lineage_that_is_not_true_earns_nobody_anything(closed: Closed) -> None:
    town, true, newest = closed.town, closed.next, closed.house.chain_end().cid
    first, second = true.lineage
    assert sharing.credits(town.shelf, newest, true) == {
        closed.whole.public_key: closed.credits[0],
        closed.half.public_key: closed.credits[1],
    }
    for lie in (
        (first, first),
        (first, second.model_copy(update={"vehicle": closed.bad.public_key})),
        (first.model_copy(update={"cid": str(town.cid)}),),
    ):
        with pytest.raises(Malformed, match="lineage"):
            sharing.credits(town.shelf, newest, true.model_copy(update={"lineage": lie}))
    with pytest.raises(Malformed, match="has no place in it"):  # fused once already
        again = true.model_copy(update={"number": 2, "previous": closed.cid})
        sharing.credits(town.shelf, newest, again)
