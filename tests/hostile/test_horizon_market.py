"""What a Horizon that forgets can no longer do to rounds and audits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.cid import Cid
from agent.errors import UNAVAILABLE, Unavailable
from agent.initiator import fusing
from agent.initiator.audit import audit
from agent.ledger.horizon import HistoryTooShort, Horizon
from agent.market import bundle
from agent.market.listing import listings
from agent.validator.rounds import Rounds
from tests.ledger.between import Between, between
from tests.market.town import Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"))


@pytest.fixture
def forgetful(town: Town) -> Iterator[Between]:
    """A server that remembers nothing of what has happened so far."""
    with between(town.net.url) as server:
        server.remembers(town.horizon.head().sequence + 1000)
        yield server


@pytest.fixture
def horizon(town: Town, forgetful: Between) -> Iterator[Horizon]:
    made = Horizon(forgetful.url, town.net.passphrase)
    yield made
    made.close()


def test_a_round_is_found_and_served_whatever_history_has_forgotten(town: Town, horizon: Horizon) -> None:
    """(y) What a round is for stands in the ledger's state: a validator that is started anew serves it, a vehicle finds
    its offer."""
    ((listed,), _) = listings(horizon, town.initiator.public_key)
    assert listed.cid == town.cid
    rounds = Rounds(horizon, town.shelf, [town.initiator.public_key], town.committee[0])
    rounds.look()
    assert list(rounds.served) == [town.cid]
    assert rounds.newest[town.settlement].ledger == town.round.ledger > 0


def test_in_an_idle_market_a_look_is_one_request_for_each_initiator(
    town: Town, horizon: Horizon, forgetful: Between
) -> None:
    """(y) Nothing is asked again while the initiator's account says the same."""
    rounds = Rounds(horizon, town.shelf, [town.initiator.public_key], town.committee[0])
    rounds.look()
    forgetful.asked.clear()
    for _ in range(3):
        town.net.close_ledger()
        rounds.look()
    assert forgetful.asked == [f"/accounts/{town.initiator.public_key}"] * 3


def test_that_a_round_was_published_is_known_though_its_publication_is_forgotten(town: Town, horizon: Horizon) -> None:
    """(z) The account still stands by it."""
    known = audit(horizon, town.shelf, town.cid)
    assert (known.finding, known.faults, known.ledger) == ("first", (), town.round.ledger)


def test_that_nobody_stands_by_a_round_is_not_known_where_history_is_forgotten(town: Town, horizon: Horizon) -> None:
    """(z) It may have been published and never followed: that cannot be known here, and is not said."""
    folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    files: dict[str, bytes | Path] = {name: folder / name for name in (bundle.WEIGHTS, bundle.GRAPH)}
    other = town.round.model_copy(update={"length": 1})
    cid = str(town.store.put(bundle.lay(town.folder / "other", {**files, bundle.ROUND: other.to_bytes()})))
    with pytest.raises(HistoryTooShort) as unknown:
        audit(horizon, town.shelf, cid)
    assert unknown.value.exit_code == UNAVAILABLE
    assert audit(town.horizon, town.shelf, cid).faults == ("its initiator never published it",)


@pytest.mark.slow
def test_a_round_is_not_closed_on_a_part_of_its_history(town: Town, horizon: Horizon) -> None:
    """(z) What was accepted and is forgotten would be left out without a word: it is 69, and an archive has it."""
    publisher, rounds = publisher_of(town), town.shelf.taking(town.cid)
    publisher.horizon = horizon
    with pytest.raises(HistoryTooShort):
        list(fusing.voices(publisher, rounds))
    horizon.archive = Horizon(town.net.url, town.net.passphrase)
    assert list(fusing.voices(publisher, rounds)) == []
    publisher.book.journal.close()


@pytest.mark.slow
def test_a_committee_in_an_idle_market_asks_once_a_ledger(tmp_path: Path) -> None:
    """(y) One request for each closed ledger and settlement account, whether a turn is shorter than a ledger or not,
    from a few turns after the last settlement on; and a new entry is still found."""
    with Localnet() as net, between(net.url) as server:
        town = found(net, tmp_path)
        house = House(town, tmp_path / "house", server.url)
        driver = town.driver()
        house.settle(town.enter(driver, town.contribution(driver, town.better(0.2, 1))))
        for turns in (1, 5):
            house.turn(5)
            server.asked.clear()
            for _ in range(20):
                for n in range(turns):
                    house.clock.passed += 5 * n / turns
                    for validator in house.validators.values():
                        validator.turn()
                    house.clock.passed -= 5 * n / turns
                net.close_ledger()
                house.clock.passed += 5
            assert 1 <= len(server.asked) <= 20 * len(house.validators), Counter(server.asked)
        other = town.driver()
        house.settle(town.enter(other, town.contribution(other, town.better(0.2, 2))))
        house.close()


@pytest.mark.slow
def test_a_true_round_is_never_called_untrue_by_a_horizon_that_forgot(tmp_path: Path) -> None:
    """(z) Its settlements are forgotten: "It is not what it says it is". Now the transactions that were kept prove
    them; without those it is 69, and an archive knows better."""
    with Localnet() as net, between(net.url) as server:
        town = found(net, tmp_path, privacy="open")
        house = House(town, tmp_path / "house")
        drivers = [town.driver(), town.driver()]
        entries = [town.enter(d, town.contribution(d, town.better(0.2, n))) for n, d in enumerate(drivers)]
        house.settle(*entries)
        house.close()
        publisher = publisher_of(town, privacy="open")
        closed = fusing.close(publisher, now=True).published
        publisher.book.journal.close()
        assert closed is not None
        cid = closed.cid
        server.remembers(town.horizon.head().sequence)
        short = Horizon(server.url, net.passphrase)
        proven = audit(short, town.shelf, cid)
        assert (proven.finding, proven.faults) == ("rebuilt", ())
        for proof in {part.proof for part in town.shelf.round(cid).lineage}:
            assert proof is not None
            next((tmp_path / "content").glob(Cid.parse(proof).digest.hex())).unlink()
        lost = bundle.Shelf(tmp_path / "lost", town.store, keep=64)
        with pytest.raises(Unavailable) as unknown:
            audit(short, lost, cid)
        assert unknown.value.exit_code == UNAVAILABLE
        short.archive = Horizon(net.url, net.passphrase)
        assert audit(short, lost, cid).finding == "rebuilt"
        short.close()
