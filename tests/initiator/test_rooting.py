"""A round's root update, as the initiator lays it out: what it says is what validators take, or there is none."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from agent.core.ids import CidText
from agent.core.round import Input
from agent.errors import Malformed, Refused
from agent.initiator import fusing, rooting
from agent.initiator.audit import audit
from agent.initiator.plan import Plan, PlanError, read
from agent.initiator.publishing import RoundDraft
from agent.initiator.restoring import restore
from agent.learn import graph, root, weights
from agent.learn.device import HERE
from agent.learn.losses import Losses
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.market import bundle
from agent.validator.measurement import Measurement
from agent.validator.rounds import Served
from agent.validator.vectors import Vectors
from tests.initiator.test_plan import PLAN
from tests.learn.trips import stretch
from tests.market.town import RECIPE, Lesson, found, network, publisher_of
from tests.validator.bench import SIZE, TASK, Numbers, Workbench, a_test_set
from tools.demo.stage import write_plan
from tools.localnet.server import Localnet


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def laid(bench: Workbench, step: Numbers | str) -> tuple[Served | None, str]:
    """A round as it is laid out where training comes to this step, or to this sentence; and what was said."""
    said: list[str] = []
    folder = bundle.lay(bench.folder / "made", dict(files(bench)))
    round_, tests = bench.rounds[0].round, a_test_set(0)
    scorer = Scorer(graph.check(folder / bundle.GRAPH), TASK)

    def score(values: Numbers, part: slice) -> Losses:
        return scorer.score(values, tests.images[part], tests.labels[part]).losses

    def train(*_: object) -> Numbers:
        if isinstance(step, str):
            raise root.NoRoot(what="round 0", why=step)
        return {name: value + step[name] for name, value in bench.first().items()}

    made = rooting.lay(round_, folder, a_test_set(7), score, train, said.append)
    if made is None:
        assert not (folder / bundle.ROOT).exists()
        return None, said[0]
    assert said == []
    round_ = round_.model_copy(update={"root": made})
    bundle.write(folder / bundle.ROUND, round_.to_bytes())
    return Served(str(bench.store.put(folder)), round_, 0), ""


def files(bench: Workbench) -> Iterator[tuple[str, bytes | Path]]:
    for name in (bundle.WEIGHTS, bundle.GRAPH):
        yield name, bench.shelf.get(bench.rounds[0].cid, bundle.ROUND_LIMITS) / name


def test_what_was_learnt_is_what_validators_take(bench: Workbench) -> None:
    served, _ = laid(bench, bench.better())
    assert served is not None
    found = bench.measurement.root(served)
    assert found is not None
    np.testing.assert_allclose(found["b2"], bench.better()["b2"], rtol=0.01)


def test_what_does_not_help_on_the_global_set_is_not_published(bench: Workbench) -> None:
    served, said = laid(bench, {name: -value for name, value in bench.better().items()})
    assert served is None
    assert "does not lower the loss on the global set" in said


def test_what_cannot_be_learnt_here_is_said_and_the_round_goes_without(bench: Workbench) -> None:
    served, said = laid(bench, "torch is not installed here")
    assert served is None
    assert said.startswith("round 0 has no root update that is used: torch is not installed here.")


def fits(bench: Workbench, own: TestSet | bytes) -> TestSet | None:
    """What a plan's root set of these samples comes to; the global set is of seed 0."""
    folder = bundle.lay(bench.folder / "made", dict(files(bench)))
    path = bench.folder / "root.safetensors"
    path.write_bytes(own if isinstance(own, bytes) else own.dump())
    plan = Plan(**{**PLAN, "task": TASK, "input": SIZE, "root_set": path})
    return rooting.samples(plan, folder, a_test_set(0))


def test_samples_of_the_initiators_own_are_taken(bench: Workbench) -> None:
    own = fits(bench, a_test_set(7))
    assert own is not None
    assert len(own) == 16


def test_samples_that_are_measured_on_too_are_refused(bench: Workbench) -> None:
    """Whatever was learnt from them would help there."""
    tests, own = a_test_set(0), a_test_set(7)
    mixed = TestSet(np.concatenate([own.images, tests.images[:2]]), np.concatenate([own.labels, tests.labels[:2] + 1]))
    with pytest.raises(Refused, match="2 of its samples are in the test set too"):
        fits(bench, mixed)


@pytest.mark.parametrize("own", [a_test_set(7, Input(height=9, width=8, colour="grey")), b"rubbish"])
def test_samples_of_another_form_are_refused(bench: Workbench, own: TestSet | bytes) -> None:
    with pytest.raises(Malformed, match=r"root_set \(.*root.safetensors\)"):
        fits(bench, own)


def test_the_plan_names_the_root_set_from_where_it_lies(tmp_path: Path) -> None:
    path, own = tmp_path / "plan.toml", tmp_path / "own.safetensors"
    write_plan(path, Plan(**{**PLAN, "root_set": own.name}))
    with pytest.raises(PlanError, match=r"root_set \(.*own.safetensors\) is not a file"):
        read(path)
    own.write_bytes(b"")
    assert read(path).root_set == own


@pytest.mark.slow
def test_each_round_that_is_published_has_one_a_restored_one_too(tmp_path: Path) -> None:
    """Learnt with torch, from samples of a drive of the initiator's own, and taken by a member of the committee; an
    audit finds nothing wrong with such rounds."""
    own = tmp_path / "own.safetensors"
    own.write_bytes(stretch(200, seed=9).dump())
    recipe = RECIPE.model_copy(update={"steps": 60, "batch": 16, "learning_rate": Decimal("0.005")})
    plan = {"root_set": own, "recipe": recipe}
    with Localnet() as net:
        town = found(net, tmp_path, lesson=Lesson(network, lambda seed: stretch(100, seed)), **plan)
        publisher = publisher_of(town, **plan)
        worse = {name: value + np.float32(0.01) for name, value in town.base.items()}
        models = fusing.models(town.shelf, town.cid)
        round_draft = RoundDraft(1, weights.dump(worse), models, previous=town.round, previous_cid=CidText(town.cid))
        cids = [town.cid, publisher.publish(1, lambda: round_draft).cid, restore(publisher, CidText(town.cid)).cid]
        publisher.book.journal.close()
        audited = audit(town.horizon, town.shelf, cids[2])
    private = tmp_path / "private.safetensors"
    private.write_bytes(town.lesson.tests(1).dump())
    measurement = Measurement(town.shelf, town.committee[0], private, Vectors(tmp_path / "updates"), HERE)
    for number, cid in enumerate(cids):
        assert measurement.root(Served(cid, town.shelf.round(cid), 2)) is not None, number
    assert measurement.troubles == []
    assert (audited.finding, audited.faults) == ("restored", ())
