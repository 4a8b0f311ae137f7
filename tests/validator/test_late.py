"""Entries that come after the next round was published: measured where they would be fused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from agent.initiator import fusing, submitting
from agent.learn import checkpoint, graph
from agent.learn.device import HERE
from agent.learn.score import Scorer
from agent.market import bundle
from agent.validator.entries import entry
from agent.validator.measurement import Judgement
from tests.market.town import Numbers, Town, found, publisher_of
from tests.validator.bench import a_roll
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@dataclass
class Late:
    """Round 0 has been fused into round 1. `early` was entered before that and is judged after it."""

    town: Town
    house: House
    cids: tuple[str, str]
    early: str
    delta: Numbers

    def weights(self, number: int) -> Numbers:
        return checkpoint.read_weights(self.town.shelf.get(self.cids[number], bundle.ROUND_LIMITS) / bundle.WEIGHTS)

    def judged(self, stake_id: str) -> Judgement:
        """By a validator that has just been started."""
        validator = next(iter(self.house.validators.values()))
        (stake,) = [s for s in self.town.horizon.stakes(self.town.settlement) if s.id == stake_id]
        rounds = validator.parts.rounds
        rounds.look()
        known = rounds.of(self.town.settlement)
        seen = entry(self.town.horizon, stake, self.town.settlement, [served.round for served in known])
        assert seen is not None
        contribution = self.town.shelf.contribution(seen.contribution)
        at = rounds.served[contribution.base]
        measurement = validator.parts.reviewing._measurement
        return measurement.measured(a_roll(at, seen), at, known)[stake_id]

    def loss(self, number: int, delta: Numbers) -> float:
        """Of a round with this update fused, alone on its roll, on the global set."""
        folder = self.town.shelf.get(self.cids[number], bundle.ROUND_LIMITS)
        scorer = Scorer(graph.check(folder / bundle.GRAPH), self.town.round.task, HERE)
        tests = self.town.lesson.tests(0)
        candidate = {name: value + delta[name] for name, value in self.weights(number).items()}
        return scorer.score(candidate, tests.images, tests.labels).loss


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    with Localnet() as net, pytest.MonkeyPatch.context() as patch:
        patch.setattr(submitting, "POLL_S", 0.0)
        town = found(net, tmp_path_factory.mktemp("town"))
        house = House(town, tmp_path_factory.mktemp("house"))
        drivers = [town.driver() for _ in range(3)]
        made = [town.contribution(d, town.better(0.2, seed)) for seed, d in enumerate(drivers[:2])]
        house.settle(*[town.enter(d, cid) for d, cid in zip(drivers, made, strict=False)])
        delta = town.better(0.3, 7)
        early = town.enter(drivers[2], town.contribution(drivers[2], delta))
        publisher = publisher_of(town)
        closed = fusing.close(publisher)
        assert closed.published is not None
        publisher.book.journal.close()
        house.close()
        yield Late(town, House(town, house.folder), (town.cid, closed.published.cid), early, delta)


def test_an_entry_from_before_the_next_round_is_measured_on_the_round_it_was_made_for(late: Late) -> None:
    assert late.judged(late.early).figure == pytest.approx(late.loss(0, late.delta), rel=1e-6)


def test_an_entry_from_after_it_is_measured_on_the_round_that_it_would_be_fused_with(late: Late) -> None:
    driver, delta = late.town.driver(), late.town.better(0.3, 8)
    judged = late.judged(late.town.enter(driver, late.town.contribution(driver, delta)))
    assert judged.figure == pytest.approx(late.loss(1, delta), rel=1e-6)
    assert judged.verdict.outcome == "accepted"


def test_the_step_between_two_public_rounds_is_nobodys_work(late: Late) -> None:
    rider, before, after = late.town.driver(), late.weights(0), late.weights(1)
    step = {name: np.float32(0.5) * (after[name] - before[name]) for name in before}
    judged = late.judged(late.town.enter(rider, late.town.contribution(rider, step)))
    assert judged.verdict.outcome == "rejected"
    assert "it is the step to a round published since" in judged.verdict.reason
