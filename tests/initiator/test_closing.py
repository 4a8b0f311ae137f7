"""Closing a round: what the committee accepted is fused, the better network is published, and it can be done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from stellar_sdk import Keypair

from agent.core.jobs.round import RoundState
from agent.core.round import Round
from agent.errors import Refused, TryAgain
from agent.initiator import fusing, publishing
from agent.initiator.audit import audit
from agent.market import bundle
from tests.initiator.command import anybody, milepost
from tests.market.town import Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet


@dataclass
class Closed:
    town: Town
    publisher: publishing.Publisher
    fused: fusing.Fused

    @property
    def next(self) -> Round:
        assert self.fused.published is not None
        return self.town.shelf.round(self.fused.published.cid)


@pytest.fixture(scope="module")
def closed(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """A round with two good entries, one that harms, and a power cut in the middle of its closing."""
    town = found(net, tmp_path_factory.mktemp("town"))
    house = House(town, tmp_path_factory.mktemp("house"))
    drivers = [town.driver() for _ in range(3)]
    deltas = [town.better(0.2, 1), town.better(0.4, 2), {n: -2 * v for n, v in town.better(0.2, 3).items()}]
    entries = [town.enter(d, town.contribution(d, delta)) for d, delta in zip(drivers, deltas, strict=True)]
    house.settle(*entries)
    house.close()
    cut_off(town)
    publisher = publisher_of(town)
    yield Closed(town, publisher, fusing.close(publisher))
    publisher.book.journal.close()


def cut_off(town: Town) -> None:
    """A first call dies after the offer was signed, before it left."""
    publisher = publisher_of(town)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing.Publisher, "follow", _dies)
        with pytest.raises(KeyboardInterrupt):
            fusing.close(publisher)
    assert publisher.book.job("round-1").state is RoundState.SIGNED
    publisher.book.journal.close()


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_accepted_is_fused_and_is_better(closed: Closed) -> None:
    fused = closed.fused
    assert len(fused.contributions) == 2
    assert fused.after.value < fused.before.value
    assert closed.next.number == 1
    assert closed.next.previous == closed.town.cid
    assert closed.next.figure == fused.after
    assert tuple(part.cid for part in closed.next.lineage) == fused.contributions


def test_the_round_was_published_once_however_often_closing_was_tried(closed: Closed) -> None:
    town = closed.town
    assert closed.fused.published is not None
    assert town.listed.cid == closed.fused.published.cid
    mine = [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    assert len(mine) == 3  # the settlement account, round 0, round 1


def test_the_round_before_is_closed_in_the_books_too(closed: Closed) -> None:
    assert closed.publisher.book.job("round-0").state is RoundState.CLOSED
    assert closed.publisher.book.job("round-1").state is RoundState.OPEN


def test_publishing_the_first_round_again_closes_no_newer_one(closed: Closed) -> None:
    weights_file, graph_file = closed.town.lesson.network(closed.town.folder)
    assert closed.publisher.first(weights_file, graph_file).state is RoundState.CLOSED
    assert closed.publisher.book.job("round-1").state is RoundState.OPEN


def test_of_a_sealed_round_no_key_is_published(closed: Closed) -> None:
    assert [part.key for part in closed.next.lineage] == [None, None]


def test_a_sealed_round_is_rebuilt_by_a_member_of_the_committee_and_checked_by_anybody(
    closed: Closed, tmp_path: Path
) -> None:
    town = closed.town
    assert closed.fused.published is not None
    cid = closed.fused.published.cid
    shelf = bundle.Shelf(tmp_path / "shelf", town.store)
    for reader, finding in ((None, "sealed"), (Keypair.random(), "sealed"), (town.committee[0], "rebuilt")):
        found = audit(town.horizon, shelf, cid, reader)
        assert (found.finding, found.faults) == (finding, ())
        assert set(found.credits) == set(closed.fused.contributions)


@pytest.mark.slow
def test_milepost_audit_of_a_sealed_round_asks_for_a_key(closed: Closed, tmp_path: Path) -> None:
    town = closed.town
    assert closed.fused.published is not None
    words = ("audit", closed.fused.published.cid)
    config, key = anybody(town, tmp_path), tmp_path / "key"
    key.write_text(town.committee[1].secret)
    key.chmod(0o600)
    shut = milepost(config, *words)
    assert shut.returncode == 77
    assert "only a member of the committee or the initiator can rebuild it" in shut.stdout
    opened = milepost(config, *words, "--key", str(key))
    assert opened.returncode == 0, opened.stdout
    assert "the same, byte for byte" in opened.stdout


def test_a_round_without_accepted_contributions_is_not_due(closed: Closed) -> None:
    with pytest.raises(TryAgain, match=r"Round 1 has 0 of 2 contributions"):
        fusing.close(closed.publisher, now=True)


def test_closing_before_anything_is_published_is_refused(closed: Closed, tmp_path: Path) -> None:
    other = Town(closed.town.net, tmp_path, closed.town.committee)
    publisher = publisher_of(other)
    with pytest.raises(Refused, match="no round is open"):
        fusing.close(publisher)
    publisher.book.journal.close()
