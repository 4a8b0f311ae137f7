"""Vehicles once more: one update under several rounds, and entries that only mean to hold others up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.money import UNIT
from agent.initiator import fusing, press
from tests.market.town import Town, found, printing_press
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture
def two_rounds(tmp_path: Path) -> Iterator[tuple[House, Town, Town]]:
    """A committee at work, and the town as round 0 and as round 1 have it, both open."""
    with Localnet() as net, pytest.MonkeyPatch.context() as patch:
        patch.setattr(press, "POLL_S", 0.0)
        town = found(net, tmp_path / "town")
        house = House(town, tmp_path / "house")
        drivers = [town.driver() for _ in range(2)]
        made = [town.contribution(d, town.better(0.2, seed)) for seed, d in enumerate(drivers)]
        house.settle(*[town.enter(d, cid) for d, cid in zip(drivers, made, strict=True)])
        desk = printing_press(town)
        closed = fusing.close(desk)
        desk.register.journal.close()
        assert closed.published is not None
        yield house, town, replace(town, cid=str(closed.published.facts["cid"]))
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
