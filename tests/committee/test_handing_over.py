"""A committee hands over to the next, in one transaction, and loses nothing on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.cid import Cid
from agent.initiator.succession import NotHandedOver
from agent.ledger.envelope import opened
from tests.committee.palace import Palace
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture
def palace(tmp_path: Path) -> Iterator[Palace]:
    with Localnet() as net:
        made = Palace(net, tmp_path)
        yield made
        made.house.close()


def handed_over(palace: Palace) -> str:
    """Two of three stay, one comes; the round that it is for."""
    palace.house.settle(palace.enter(1), palace.enter(2))
    cid = palace.close(0, 1, 3)
    palace.house.turn(12)
    return cid


def test_who_comes_judges_and_settles_and_who_leaves_does_not(palace: Palace) -> None:
    palace.town.cid = cid = handed_over(palace)
    assert palace.numbers() == {0, 1, 3}, palace.house.log
    assert palace.serves(3) == palace.serves(0) == {cid}
    assert palace.serves(2) == set()
    entry = palace.enter(3)
    palace.house.settle(entry)
    record = palace.records()[-1]
    assert set(record.agreements) == set(palace.accounts(0, 1, 3))
    assert {vote.validator for vote in record.votes} <= set(palace.accounts(0, 1, 3))
    assert record.attested == cid


def test_it_is_one_transaction_that_the_outgoing_signed(palace: Palace) -> None:
    handed_over(palace)
    made = [opened(t.envelope, palace.town.net.passphrase) for t in palace.town.history(palace.town.settlement)]
    (over,) = [e for e in made if e.source == palace.town.settlement and "SetOptions" in str(e.operations)]
    assert sum(over.is_signed_by(account) for account in palace.accounts(0, 1, 2)) == 2
    assert not over.is_signed_by(palace.accounts(3)[0])


def test_what_is_open_as_the_round_opens_is_settled_first_by_those_who_voted(palace: Palace) -> None:
    palace.house.settle(palace.enter(1), palace.enter(2))
    late = palace.enter(3)
    palace.close(0, 3, 4)
    palace.house.settle(late)
    palace.house.turn(12)
    *_, settled, over = palace.records()
    assert [entry.entry for entry in settled.entries] == [late]
    assert {vote.validator for vote in settled.votes} <= set(palace.accounts(0, 1, 2))
    assert over.committee == palace.accounts(0, 3, 4)
    assert palace.numbers() == {0, 3, 4}


def test_what_nobody_can_settle_holds_it_up_for_a_review_window_and_is_not_lost(palace: Palace) -> None:
    town, house = palace.town, palace.house
    house.settle(palace.enter(1), palace.enter(2))
    stuck = town.enter(town.driver(), Cid.v0(bytes(32)))
    palace.close(0, 1, 3)
    house.turn(12)
    assert palace.numbers() == {0, 1, 2}
    house.turn(14, advance=60)
    house.turn(12)
    assert palace.numbers() == {0, 1, 3}
    assert house.end(stuck) is None
    assert town.horizon.stake(stuck) is not None


def test_what_comes_between_the_round_and_its_committee_goes_back_whole(palace: Palace) -> None:
    """It could be the step to the new round, which is public by then."""
    town, house = palace.town, palace.house
    house.settle(palace.enter(1), palace.enter(2))
    cid = palace.close(0, 1, 3)
    between = palace.enter(4)
    house.turn(30)
    assert palace.serves(0) == {cid}
    assert house.end(between) is None
    house.turn(15, advance=60)
    assert town.horizon.stake(between) is not None
    assert house.end(between) is None


def test_a_round_after_the_next_is_not_closed_before_its_committee_has_taken_over(palace: Palace) -> None:
    palace.house.settle(palace.enter(1), palace.enter(2))
    palace.close(0, 1, 3)
    with pytest.raises(NotHandedOver):
        palace.close(0, 1, 4)


def test_entries_of_the_next_round_are_fused_without_those_of_the_committee_before(palace: Palace) -> None:
    palace.town.cid = handed_over(palace)
    palace.house.settle(palace.enter(5), palace.enter(6))
    palace.town.cid = cid = palace.close()
    palace.house.turn(6)
    assert palace.serves(3) >= {cid}
    assert palace.records()[-1].attested == cid
