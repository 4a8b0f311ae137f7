"""Closing a round: what the committee accepted is fused, the better network is published, and it can be done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.core.documents import Round
from agent.core.round import State
from agent.errors import Refused, TryAgain
from agent.initiator import fusing, press
from agent.learn import weights
from agent.market import bundle
from agent.market.listing import listing, training_offers
from tests.market.town import Town, found, printing_press
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@dataclass
class Closed:
    town: Town
    desk: press.Press
    fused: fusing.Fused

    @property
    def next(self) -> Round:
        assert self.fused.published is not None
        return self.town.shelf.round(self.fused.published.facts["cid"])


@pytest.fixture(scope="module", autouse=True)
def at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(press, "POLL_S", 0.0)
        yield


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """A round with two good entries, one that harms, and a power cut in the middle of its closing."""
    with Localnet() as net:
        town = found(net, tmp_path_factory.mktemp("town"))
        house = House(town, tmp_path_factory.mktemp("house"))
        drivers = [town.driver() for _ in range(3)]
        deltas = [town.better(0.2, 1), town.better(0.4, 2), {n: -2 * v for n, v in town.better(0.2, 3).items()}]
        entries = [town.enter(d, town.contribution(d, delta)) for d, delta in zip(drivers, deltas, strict=True)]
        house.settle(*entries)
        house.close()
        cut_off(town)
        desk = printing_press(town)
        yield Closed(town, desk, fusing.close(desk))
        desk.register.journal.close()


def cut_off(town: Town) -> None:
    """A first call dies after the offer was signed, before it left."""
    desk = printing_press(town)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(press.Press, "_follow", _dies)
        with pytest.raises(KeyboardInterrupt):
            fusing.close(desk)
    assert desk.register.job("round-1").state is State.SIGNED
    desk.register.journal.close()


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_accepted_is_fused_and_is_better(closed: Closed) -> None:
    fused = closed.fused
    assert len(fused.contributions) == 2
    assert fused.after.value < fused.before.value
    assert closed.next.number == 1
    assert closed.next.previous == closed.town.cid
    assert closed.next.figure == fused.after
    assert {part.cid for part in closed.next.lineage} == {part.cid for part in fused.contributions}


def test_the_round_was_published_once_however_often_closing_was_tried(closed: Closed) -> None:
    town = closed.town
    (offer,) = training_offers(town.horizon, town.initiator.public_key)
    assert closed.fused.published is not None
    assert listing(town.horizon, offer).cid == closed.fused.published.facts["cid"]
    mine = [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    assert len(mine) == 3  # the settlement account, round 0, round 1


def test_the_round_can_be_built_again_from_its_lineage_byte_for_byte(closed: Closed) -> None:
    town, desk = closed.town, closed.desk
    assert closed.fused.published is not None
    again = fusing.refuse(desk, town.round, town.cid, closed.fused.contributions)
    folder = town.shelf.get(closed.fused.published.facts["cid"], bundle.ROUND_LIMITS)
    assert weights.dump(again) == (folder / bundle.WEIGHTS).read_bytes()


def test_a_round_without_accepted_contributions_is_not_due(closed: Closed) -> None:
    with pytest.raises(TryAgain, match=r"Round 1 has 0 of 2 contributions"):
        fusing.close(closed.desk, now=True)


def test_closing_before_anything_is_published_is_refused(closed: Closed, tmp_path: Path) -> None:
    other = Town(closed.town.net, tmp_path, closed.town.committee)
    desk = printing_press(other)
    with pytest.raises(Refused, match="no round is open"):
        fusing.close(desk)
    desk.register.journal.close()
