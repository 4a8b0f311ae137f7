"""Vehicles once more: one update under several rounds, and entries that only mean to hold others up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stellar_sdk import Payment

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.ledger import Way
from agent.core.money import UNIT
from agent.core.record import MAX_ENTRIES
from agent.initiator import fusing, submitting
from agent.ledger import envelope as envelopes
from agent.ledger.envelope import sdk_asset
from agent.market import entry
from agent.ports import BundleLimits
from agent.validator import entries
from agent.validator.admission import open_to
from tests.core.chamber import Chamber, a_review, entered
from tests.market.town import BASE, REVIEW_S, Town, found, publisher_of
from tests.validator.bench import Workbench
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture
def two_rounds(tmp_path: Path) -> Iterator[tuple[House, Town, Town]]:
    """A committee at work, and the town as round 0 and as round 1 have it, both open."""
    with Localnet() as net, pytest.MonkeyPatch.context() as patch:
        patch.setattr(submitting, "POLL_S", 0.0)
        town = found(net, tmp_path / "town")
        house = House(town, tmp_path / "house")
        drivers = [town.driver() for _ in range(2)]
        made = [town.contribution(d, town.better(0.2, seed)) for seed, d in enumerate(drivers)]
        house.settle(*[town.enter(d, cid) for d, cid in zip(drivers, made, strict=True)])
        publisher = publisher_of(town)
        closed = fusing.close(publisher)
        publisher.book.journal.close()
        assert closed.published is not None
        yield house, town, replace(town, cid=closed.published.cid)
        house.close()


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1])
def test_one_update_entered_on_two_rounds_is_paid_once(two_rounds: tuple[House, Town, Town], first: int) -> None:
    """(k) Both rounds are open, and both entries would be fused into the same next one."""
    house, *rounds = two_rounds
    delta = rounds[0].better(0.2, 9)
    order = rounds if first == 0 else rounds[::-1]
    entries = []
    for each in order:
        driver = each.driver()
        entries.append(each.enter(driver, each.contribution(driver, delta)))
    house.settle(*entries)
    ends = [house.end(entry) for entry in entries]
    assert ends[0].outcome == "accepted"
    assert [end.outcome for end in ends].count("accepted") == 1, ends
    assert sum(end.credit for end in ends) <= UNIT


@pytest.mark.slow
def test_a_hundred_entries_of_one_vehicle_keep_nobody_out_of_a_settlement() -> None:
    """(m) A record holds one entry of a vehicle; those that came before the honest one took its places all the same."""
    chamber, honest = Chamber(3), a_review(2, ledger=9)
    vehicle = a_review(1000).entry.vehicle
    many = [entered(a_review(1000 + n, ledger=1), vehicle=vehicle) for n in range(3 * MAX_ENTRIES)]
    chamber.enters(*many, honest)
    for _ in range(12):
        chamber.tick()
        if chamber.applied:
            break
    assert honest.id in chamber.ends


def test_an_entry_that_its_vehicle_may_take_back_any_moment_is_settled_alone() -> None:
    """(j) A vehicle takes its stake back in the very ledger that settles it: that costs nobody else a ledger."""
    chamber, honest = Chamber(3), [a_review(n) for n in range(1, 5)]
    leaving = entered(a_review(9, ledger=1), take_back_at=60)
    chamber.enters(*honest, leaving)
    chamber.settle(30)
    assert not chamber.reviews
    held = [{entry.entry for entry in made.record.entries} for made in chamber.applied]
    assert {leaving.id} in held
    assert {review.id for review in honest} in held


def test_a_bundle_is_bounded_by_the_rounds_that_were_open_when_it_was_entered(tmp_path: Path) -> None:
    """(n) A round that was published since, and asks for less, made an honest bundle oversized: rejected."""
    bench = Workbench(tmp_path)
    found = bench.entry(bench.better(), ledger=15)
    small = {name: value[:1] for name, value in bench.first().items()}
    for _ in range(2):
        bench.publish(small, staleness=0)
    asked = open_to(found, bench.rounds)
    assert bench.rounds[0] in asked
    then = bench.measurement.limits(bench.rounds[:1])
    assert bench.measurement.limits(asked).total_bytes >= then.total_bytes
    assert bench.rounds[0] not in open_to(replace(found, ledger=35), bench.rounds)


class Patient(FolderStore):
    """A bundle that it has not is looked for without end."""

    gone = threading.Event()

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        if not self.has(cid):
            self.gone.wait(60)
        super().get(cid, into, limits)


@pytest.mark.slow
def test_bundles_that_nobody_has_do_not_take_every_hand_while_another_vehicles_is_waiting(tmp_path: Path) -> None:
    """(m) Nine entries of one vehicle came first: all hands were theirs until each had been looked for, half a minute
    each. The first entry of each vehicle comes before anybody's second."""
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        house, driver, honest = House(town, tmp_path / "house"), town.driver(), town.driver()
        for validator in house.validators.values():
            porter = validator.parts.reviewing._porter
            porter._store, porter._patience_s = Patient(town.folder / "content"), 0.1
        for n in range(9):
            town.enter(driver, Cid.v0(bytes([200 + n]) * 32))
        good = town.enter(honest, town.contribution(honest, town.better(0.2, 5)))
        net.close_ledger(advance=REVIEW_S // 4)
        house.settle(good, turns=80)
        assert house.end(good).outcome == "accepted"
        Patient.gone.set()
        house.close()


@pytest.mark.slow
def test_ninety_nine_stakes_of_one_transaction_are_read_in_one_go(tmp_path: Path) -> None:
    """(m) For each of them the whole transaction was opened once for each that stands before it."""
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        vehicle, horizon = town.driver(), town.horizon
        town.apply([Payment(vehicle.public_key, sdk_asset(town.dlc), "900")], town.operator)
        account = horizon.account(vehicle.public_key)
        assert account is not None
        *_, staking = entry.entry(town.round, account, BASE, Way(0), horizon.head().closed_at)
        made = town.apply([staking] * 99, vehicle, memo=b"\x05" * 32)
        rounds = [town.round]
        (transaction,) = [t for t in town.history(vehicle.public_key) if t.hash == made.hash]
        really, times = entries.opened, list[str]()

        def opened(text: str, passphrase: str) -> envelopes.Opened:
            times.append(text)
            return really(text, passphrase)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(entries, "opened", opened)
            patch.setattr(envelopes, "opened", opened)
            for stake in horizon.stakes(town.settlement, town.dlc):
                entries.read(transaction, horizon.passphrase, stake, town.settlement, rounds)
        assert len(times) == 99
