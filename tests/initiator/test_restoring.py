"""Restoring: an earlier round's weights become the newest round, once, and everybody takes it for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stellar_sdk import Keypair

from agent.core.jobs.fold import Event
from agent.core.jobs.round import RoundState
from agent.core.round import Round
from agent.errors import Refused
from agent.initiator import fusing
from agent.initiator.audit import audit
from agent.initiator.book import RoundBook
from agent.initiator.publishing import Publisher, RoundDraft
from agent.initiator.restoring import restore
from agent.learn import weights
from agent.market import bundle
from agent.validator.rounds import Rounds
from tests.initiator.command import anybody, milepost
from tests.market.town import Town, a_plan, found, publisher_of
from tools.demo.stage import write_plan
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


@pytest.fixture
def town(net: Localnet, tmp_path: Path) -> Town:
    """Rounds 0 and 1; round 1 has turned out worse."""
    made = found(net, tmp_path)
    publisher = publisher_of(made)
    worse = {name: value + np.float32(0.5) for name, value in made.base.items()}
    models = fusing.models(made.shelf, made.cid)
    round_draft = RoundDraft(1, weights.dump(worse), models, previous=made.round, previous_cid=made.cid)
    publisher.publish(1, lambda: round_draft)
    publisher.book.journal.close()
    return made


@pytest.fixture
def publisher(town: Town) -> Iterator[Publisher]:
    made = publisher_of(town)
    yield made
    made.book.journal.close()


def newest(town: Town) -> tuple[str, Round]:
    """The round that the offer on the book stands for."""
    cid = town.listed.cid
    return cid, town.shelf.round(cid)


def publications(town: Town) -> int:
    """Transactions of the initiator, but for the one that made the settlement account."""
    mine = [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    return len(mine) - 1


def files(town: Town, cid: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in town.shelf.get(cid, bundle.ROUND_LIMITS).iterdir()}


def test_the_earlier_weights_are_the_newest_round_and_measured_anew(town: Town, publisher: Publisher) -> None:
    worse = newest(town)
    restore(publisher, town.cid)
    cid, round_ = newest(town)
    assert (round_.number, round_.previous, round_.restores) == (2, worse[0], town.cid)
    assert round_.lineage == ()
    assert round_.figure == town.round.figure
    assert round_.figure != worse[1].figure
    now, then = files(town, cid), files(town, town.cid)
    assert {name: now[name] for name in (bundle.WEIGHTS, bundle.GRAPH)} == {
        name: then[name] for name in (bundle.WEIGHTS, bundle.GRAPH)
    }
    assert audit(town.horizon, town.shelf, cid).finding == "restored"


def test_validators_take_it_for_the_newest_round_and_the_one_that_was_left_for_the_one_before(
    town: Town, publisher: Publisher
) -> None:
    left, _ = newest(town)
    restore(publisher, town.cid)
    cid, _ = newest(town)
    rounds = Rounds(town.horizon, town.shelf, [town.initiator.public_key], town.committee[0])
    rounds.look()
    assert not rounds.troubles
    assert {s: at.newest - at.round.number > at.round.staleness for s, at in rounds.served.items()} == {
        cid: False,
        left: False,
        town.cid: True,
    }


def test_it_is_closed_like_any_other_round(town: Town, publisher: Publisher) -> None:
    restore(publisher, town.cid)
    with pytest.raises(fusing.NotDue, match="Round 2 has 0 of 2"):
        fusing.close(publisher, now=True)
    assert [job.state for job in publisher.book.rounds] == [RoundState.CLOSED, RoundState.CLOSED, RoundState.OPEN]


def test_restoring_again_changes_nothing(town: Town, publisher: Publisher) -> None:
    first = restore(publisher, town.cid)
    assert restore(publisher, town.cid) == first
    assert publications(town) == 3


EVENTS = ("planned", "stored", "signed", "announced", "published")


class PowerCut(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_at_any_step_it_goes_on_and_publishes_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, event: str, written: bool
) -> None:
    record, publisher = RoundBook.record, publisher_of(town)

    def cut(self: RoundBook, job_id: str, happened: Event, at: float) -> Any:
        if happened.kind == event and not written:
            raise PowerCut
        done = record(self, job_id, happened, at)
        if happened.kind == event:
            raise PowerCut
        return done

    with monkeypatch.context() as patch:
        patch.setattr(RoundBook, "record", cut)
        with pytest.raises(PowerCut):
            restore(publisher, town.cid)
    publisher.book.journal.close()
    again = publisher_of(town)
    job = restore(again, town.cid)
    again.book.journal.close()
    assert job.state is RoundState.OPEN
    assert newest(town)[1].restores == town.cid
    assert publications(town) == 3


def test_what_was_begun_is_finished_before_anything_else(
    town: Town, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "follow", _cut)
        with pytest.raises(PowerCut):
            restore(publisher, town.cid)
    with pytest.raises(Refused, match=f"run `milepost initiator restore {town.cid}` first"):
        fusing.close(publisher)
    with pytest.raises(Refused, match=f"run `milepost initiator restore {town.cid}` first"):
        restore(publisher, newest(town)[0])
    assert restore(publisher, town.cid).state is RoundState.OPEN


def _cut(*_: object) -> None:
    raise PowerCut


def test_a_round_of_another_model_is_refused(net: Localnet, town: Town, publisher: Publisher, tmp_path: Path) -> None:
    other = found(net, tmp_path / "other")
    town.store.put(other.shelf.get(other.cid, bundle.ROUND_LIMITS))
    with pytest.raises(Refused, match=f"a round of {other.round.model}, not of {town.round.model}"):
        restore(publisher, other.cid)
    assert publications(town) == 2


def test_a_round_that_somebody_else_made_up_is_refused(town: Town, publisher: Publisher) -> None:
    mine = files(town, town.cid)
    forged = Round.parse(mine[bundle.ROUND]).model_copy(update={"length": 1}).to_bytes()
    cid = town.store.put(bundle.lay(town.folder / "forged", {**mine, bundle.ROUND: forged}))
    with pytest.raises(Refused, match="never published from here"):
        restore(publisher, str(cid))


def test_the_newest_round_is_not_restored(town: Town, publisher: Publisher) -> None:
    with pytest.raises(Refused, match="it is the newest round"):
        restore(publisher, newest(town)[0])


def test_milepost_initiator_restore_prints_the_new_round(town: Town, tmp_path: Path) -> None:
    plan, key, state = tmp_path / "plan.toml", tmp_path / "key", tmp_path / "initiator"
    write_plan(plan, a_plan(town))
    key.write_text(town.initiator.secret)
    key.chmod(0o600)
    config = anybody(town, tmp_path, f'[agent]\nstate_dir = "{state}"\nkey_file = "{key}"\n')
    words = ("--plan", str(plan), "--test-set", str(town.folder / "global.safetensors"), "--json")
    shown = milepost(config, "initiator", "restore", town.cid, *words, net=town.net)
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert (told["restores"], told["cid"]) == (town.cid, newest(town)[0])


def test_a_key_that_is_no_initiators_is_told_that_nothing_is_open(town: Town) -> None:
    stranger = Town(town.net, town.folder / "stranger", town.committee, initiator=Keypair.random())
    publisher = publisher_of(stranger)
    with pytest.raises(Refused, match="no round is open"):
        restore(publisher, town.cid)
    publisher.book.journal.close()
