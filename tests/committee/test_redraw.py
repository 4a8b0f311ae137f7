"""A committee is drawn anew, by what each validator's own fleet has brought, and takes over from the one before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.draw import drawn
from agent.market import registry
from tests.committee.hall import enrolled, hall, published
from tests.market.town import Town, closed
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow
PLAN = {"committee": 3, "redraw": 1}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        made = hall(net, tmp_path, 6)
        enrolled(made)
        everybody = made.committee
        published(made, drawn=3, redraw=1)
        made.committee = everybody
        yield made


def test_the_next_committee_is_drawn_by_what_fleets_have_brought(town: Town, tmp_path: Path) -> None:
    house, friend = House(town, tmp_path / "house"), town.round.committee[0]
    before = town.round
    for seed, named in ((1, friend), (2, None)):
        driver = town.driver()
        house.settle(town.enter(driver, town.contribution(driver, town.better(seed=seed), validator=named, samples=70)))
    town.cid = closed(town, **PLAN)
    first = town.round
    assert {part.validator: part.samples for part in first.lineage} == {friend: 40, None: None}
    assert first.draw is not None and first.draw != before.draw
    assert not any(one.samples for one in first.draw.registry.members)  # before this round nobody had brought anything
    house.turn(16)
    driver = town.driver()
    house.settle(town.enter(driver, town.contribution(driver, town.better(seed=3))))
    town.cid = closed(town, **PLAN)
    second = town.round.draw
    assert second is not None
    assert {one.account: one.samples for one in second.registry.members if one.samples} == {friend: 40}
    assert town.round.committee == drawn(second.registry.members, town.horizon.ledger(second.ledger).hash, 3)
    house.turn(16)
    account = town.horizon.account(town.settlement)
    assert account is not None
    assert {signer for signer, weight in account.signers.items() if weight} == set(town.round.committee)
    assert registry.undrawn(town.horizon, town.shelf, town.round) == ""
    more = tuple(one.model_copy(update={"samples": one.samples * 2}) for one in second.registry.members)
    twice = second.model_copy(update={"registry": second.registry.model_copy(update={"members": more})})
    boosted = town.round.model_copy(update={"draw": twice})
    assert "nobody's fleet was credited for" in registry.undrawn(town.horizon, town.shelf, boosted)
    house.close()
