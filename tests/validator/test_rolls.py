"""Rolls on a real ledger: who is on one, and that each validator measures what is on it, whatever stops in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.core.documents import Roll, SettlementRecord
from agent.core.ids import CidText
from agent.core.jobs.review import Judged
from agent.market import records
from agent.ports import BundleLimits
from tests.market.town import Town, found
from tests.validator.committee import House
from tests.validator.test_settling import honest
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

COLLECT_S = 20


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"), collect=COLLECT_S, least=2)


def chain(house: House) -> list[SettlementRecord]:
    """Oldest first."""
    return [record for _, record in records.chain(house.town.shelf, house.chain_end().cid)][::-1]


def on(roll: Roll | None) -> list[str]:
    return [] if roll is None else [one.entry for one in roll.entries]


def test_two_cars_are_put_on_one_roll_and_settled_together(town: Town, house: House) -> None:
    before, entries = len(chain(house)), [honest(town, 1), honest(town, 2)]
    house.settle(*entries, turns=80)
    enrolling, settling = chain(house)[before:]
    assert enrolling.enrols is not None
    assert on(enrolling.enrols) == entries
    first = town.horizon.ledger(enrolling.enrols.entries[0].ledger)
    assert enrolling.enrols.drawn_at - first.closed_at >= COLLECT_S
    assert {entry.entry for entry in settling.entries} == set(entries)
    assert settling.roll == settling.previous
    assert {vote.roll for vote in settling.votes} == {settling.roll}
    assert {house.end(entry).outcome for entry in entries} == {"accepted"}


def test_one_car_alone_waits_twice_as_long_and_is_paid(town: Town, house: House) -> None:
    before, entry = len(chain(house)), honest(town, 3)
    house.settle(entry, turns=120)
    roll = chain(house)[before].enrols
    assert on(roll) == [entry]
    assert roll is not None
    assert roll.drawn_at - town.horizon.ledger(roll.entries[0].ledger).closed_at >= 2 * COLLECT_S
    assert house.end(entry).outcome == "accepted"


def test_what_is_turned_down_for_what_its_car_signed_needs_no_roll(town: Town, house: House) -> None:
    before, vehicle = len(chain(house)), town.driver()
    entry = town.enter(vehicle, town.contribution(vehicle, town.better(0.2, 4), samples=1))
    house.settle(entry)
    (settling,) = chain(house)[before:]
    assert (settling.roll, settling.enrols) == (None, None)
    assert "samples are too few" in house.end(entry).reason


def test_a_committee_that_loses_power_after_its_roll_judges_what_is_on_it(town: Town, house: House) -> None:
    entries = [honest(town, 5), honest(town, 6)]
    house.enrol(*entries, turns=80)
    before = len(chain(house))
    for key in town.committee:
        house.restart(key.public_key)
    house.settle(*entries)
    (settling,) = chain(house)[before:]
    assert {entry.entry for entry in settling.entries} == set(entries)


def test_a_verdict_of_an_earlier_version_that_was_measured_alone_is_found_anew(town: Town, house: House) -> None:
    entry, account = honest(town, 7), town.committee[0].public_key
    house.turn(2)
    alone = Judged(CidText(town.cid), "rejected", 0, "measured alone", "0.9")
    house.validators[account].parts.book.record(entry, alone, 0.0)
    house.restart(account)
    house.settle(entry, turns=120)
    assert house.end(entry).outcome == "accepted"
    (vote,) = [vote for vote in chain(house)[-1].votes if vote.validator == account]
    assert vote.outcome == "accepted"


def test_a_member_that_is_gone_for_good_holds_no_roll_up(town: Town, house: House) -> None:
    entries = [honest(town, 8), honest(town, 9)]
    house.stop(town.committee[0].public_key)
    house.settle(*entries, turns=200)
    assert {house.end(entry).outcome for entry in entries} == {"accepted"}


def test_what_a_member_cannot_have_it_neither_signs_nor_judges_and_the_others_settle(town: Town, house: House) -> None:
    account, entries = town.committee[1].public_key, [honest(town, 10), honest(town, 11)]
    hidden = town.horizon.touching(entries[0])[0].source
    porter = house.validators[account].parts.reviewing._porter
    send = porter.send

    def but_not(cid: str, limits: BundleLimits) -> None:
        if town.shelf.contribution(cid).vehicle != hidden:
            send(cid, limits)

    porter.send = but_not  # type: ignore[method-assign]
    house.settle(*entries, turns=200)
    assert {house.end(entry).outcome for entry in entries} == {"accepted"}
    settling = chain(house)[-1]
    assert account not in {vote.validator for vote in settling.votes}
    assert house.end(entries[0]).signers == 2
