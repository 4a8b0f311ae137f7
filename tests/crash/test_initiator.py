"""An initiator cut off before and after every event of its first round: it goes on, and publishes once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import Keypair

from agent.core.cid import Cid
from agent.core.jobs import round as rounds
from agent.core.jobs import settlement
from agent.core.jobs.fold import Event, kind
from agent.core.jobs.round import RoundState
from agent.initiator import submitting
from agent.initiator.book import SETTLEMENT, Job, RoundBook, round_id
from tests.market.town import Town, publisher_of
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

SETBACKS = (rounds.Lapsed, rounds.Refused, rounds.Closed)
"""What does not happen on the straight way to an open round."""
STEPS = [
    (job_id, kind(event))
    for job_id, table in ((SETTLEMENT, settlement.TABLE), (round_id(0), rounds.TABLE))
    for event in table.kinds.values()
    if event not in SETBACKS
]


class PowerCut(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


@pytest.fixture
def town(net: Localnet, tmp_path: Path) -> Town:
    """An initiator with money and nothing else."""
    made = Town(net, tmp_path, tuple(Keypair.random() for _ in range(3)))
    net.fund(made.operator.public_key, made.initiator.public_key, *(k.public_key for k in made.committee))
    return made


@pytest.mark.parametrize(("job_id", "event"), STEPS, ids=lambda part: part)
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_at_any_event_it_goes_on_and_publishes_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, job_id: str, event: str, written: bool
) -> None:
    record, files = RoundBook.record, town.lesson.network(town.folder)

    def cut(self: RoundBook, job: str, happened: Event, at: float) -> Job:
        if (job, happened.kind) != (job_id, event):
            return record(self, job, happened, at)
        if written:
            record(self, job, happened, at)
        raise PowerCut

    monkeypatch.setattr(submitting, "POLL_S", 0.0)
    publisher = publisher_of(town)
    with monkeypatch.context() as patch:
        patch.setattr(RoundBook, "record", cut)
        with pytest.raises(PowerCut):
            publisher.first(*files)
    publisher.book.journal.close()
    again = publisher_of(town)
    job = again.first(*files)
    account = again.book.settlement
    again.book.journal.close()
    assert job.state is RoundState.OPEN
    assert town.listed.cid == job.cid
    assert town.store.has(Cid.parse(job.cid))
    assert town.shelf.round(job.cid).settlement == account
    mine = [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    assert len(mine) == 2  # the settlement account and the round, each once
