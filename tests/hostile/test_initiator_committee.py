"""What an initiator cannot do to a committee that serves others too, nor through it to a vehicle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.ledger import Line
from agent.core.money import UNIT, Asset
from agent.core.record import hindrance
from agent.core.round import Lineage
from agent.errors import Unavailable
from agent.market import bundle
from agent.ports import BundleLimits
from agent.validator.rounds import Published, Served
from tests.core.chamber import Chamber, a_review
from tests.core.test_committee import a_sharing
from tests.market.rounds import a_round, an_account
from tests.market.town import BASE, Town, found
from tests.validator.committee import House
from tests.validator.test_settling import honest, scaled
from tools.localnet.server import Localnet


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path / "town")


def test_a_round_number_of_a_million_does_not_freeze_the_purse() -> None:
    """(c) No round can be number 10^9 any more; whatever it calls itself, sharing goes on for those that come after."""
    chamber = Chamber(3, newest=10**6)
    chamber.enters(a_review(1, outcome="rejected"))
    chamber.settle(ticks=5)
    assert (chamber.link.purse.round, chamber.link.purse.forfeited) == (0, a_review(1).entry.stake)
    chamber.sharing = a_sharing(chamber, 1)
    for _ in range(5):
        chamber.tick()
    assert chamber.link.purse.round == 1
    assert chamber.link.purse.forfeited == 0


@pytest.mark.slow
def test_a_second_initiators_round_on_the_firsts_settlement_account_is_given_nothing(town: Town, house: House) -> None:
    """(c) It names the first one's settlement account and round, and a stranger as who is to be paid; let it even be
    served: the committee co-signs nothing for it."""
    liar, stranger = Keypair.random(), Keypair.random()
    vehicle = town.driver()
    bad = town.enter(vehicle, town.contribution(vehicle, scaled(town.better(seed=1), -9)))
    house.settle(bad)
    assert house.chain_end().purse.forfeited == BASE
    part = Lineage(cid=town.cid, vehicle=stranger.public_key, weight=1, settlement="ab" * 32)
    twist = {"model": f"DLMroad:{liar.public_key}", "number": 1, "previous": town.cid, "lineage": (part,)}
    false = town.round.model_copy(update=twist)
    true = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    models = {name: true / name for name in (bundle.WEIGHTS, bundle.GRAPH)}
    files: dict[str, bytes | Path] = {bundle.ROUND: false.to_bytes(), **models}
    cid = str(town.store.put(bundle.lay(town.folder / "false", files)))
    head = town.horizon.head()
    for validator in house.validators.values():
        rounds = validator.parts.rounds
        rounds.served[cid] = Served(cid, false, 1)
        rounds.newest[town.settlement] = Published(cid, head.sequence)
        rounds.look = lambda: None  # type: ignore[method-assign]
        rounds._as_of[false.initiator] = 10**6
        validator.parts.settling._office._credits[cid] = {stranger.public_key: 1}
    before = house.chain_end()
    house.turn(20)
    assert house.chain_end() == before
    good = honest(town, 2)
    house.settle(good)
    assert house.end(good).outcome == "accepted"
    assert house.chain_end().purse.forfeited == BASE
    assert all(
        f"The round {cid} is not settled" in " ".join(v.parts.settling.troubles) for v in house.validators.values()
    )


def test_a_line_that_its_issuer_took_away_makes_an_entry_idle_never_rejected() -> None:
    """(d) In a round of an older version, whose issuer could."""
    round_ = a_round()
    dlc, vlm = Asset.parse(round_.stake.asset), round_.credit_asset
    car = an_account(Keypair.random().public_key, lines={dlc: Line(UNIT), vlm: Line(UNIT, authorized=False)})
    found = hindrance(car, round_, BASE, UNIT)
    assert found is not None
    assert (found.outcome, found.reason) == ("idle", "the issuer of VLM took the vehicle's trustline away")


@pytest.mark.slow
def test_a_line_that_the_operator_took_away_waits_and_costs_nobody_a_stake(town: Town, house: House) -> None:
    """(d) The stake itself could not be given back: the vehicle takes it back after the review window."""
    driver, good = town.driver(), honest(town, 2)
    entry_id = town.enter(driver, town.contribution(driver, town.better(seed=1)))
    house.broker.stop()
    house.turn(3)
    town.horizon.hand_in(town.forbid(driver.public_key).envelope)
    house.broker.start()
    house.settle(good)
    house.turn(5)
    assert house.end(good).outcome == "accepted"
    assert house.end(entry_id) is None
    assert town.horizon.stake(entry_id) is not None
    town.allow(driver.public_key)
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"


# --- what was paid for can be had


class OwnStore(FolderStore):
    """A validator's own, which fetches from the vehicle's as long as that is there."""

    def __init__(self, folder: Path, vehicles: FolderStore) -> None:
        super().__init__(folder)
        self.vehicles = vehicles

    def put(self, folder: Path) -> Cid:
        """Records are read by everybody."""
        if (folder / bundle.RECORD).is_file():
            self.vehicles.put(folder)
        return super().put(folder)

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        try:
            super().get(cid, into, limits)
        except Unavailable:
            self.vehicles.get(cid, into, limits)


@pytest.mark.slow
def test_a_paid_contribution_is_kept_by_every_validator_that_signed(town: Town, house: House, tmp_path: Path) -> None:
    """(h) The vehicle is scrapped as soon as it is paid; the initiator fetches from a validator."""
    for number, validator in enumerate(house.validators.values()):
        validator.parts.settling._shelf.store = OwnStore(tmp_path / f"store {number}", town.store)
    driver = town.driver()
    cid = town.contribution(driver, town.better(seed=1))
    entry_id = town.enter(driver, cid)
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"
    stores = [v.parts.settling._shelf.store for v in house.validators.values()]
    assert sum(FolderStore.has(store, cid) for store in stores) >= house.end(entry_id).signers
