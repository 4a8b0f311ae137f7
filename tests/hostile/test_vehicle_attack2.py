"""A car's steps: what nobody foresaw ends no daemon, and who waits for a verdict is no burden to a Horizon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.content import importer
from agent.content.blockfolder import BlockFolder
from agent.content.importer import GOOD_LINK, Layout
from agent.core.documents import Contribution
from agent.core.jobs.contribution import Job, JobState, Step
from agent.errors import Malformed, MilepostError, Unavailable
from agent.market import bundle
from agent.vehicle.background import BackgroundSteps, StepOutcome
from agent.vehicle.context import Events
from tests.validator.bench import Workbench

WATCHED = Job("trip-1", JobState.ENTERED, {})
FINISHED = Job("trip-2", JobState.STORED, {})


class World:
    """What the steps ask about: counts the questions, and answers some in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.asked: list[Step] = []
        self.broken: set[Step] = set()

    def do(self, _: Job, step: Step) -> Events:
        self.asked.append(step)
        if step in self.broken:
            raise KeyError("no such stake")
        return []


def turn(background: BackgroundSteps, now: float, *jobs: Job) -> StepOutcome | None:
    background.send(jobs, None, (), now)
    while not background.idle:
        outcome = background.poll()
        if outcome is not None:
            background.done(outcome, now)
            return outcome
        time.sleep(0.001)
    return None


def test_who_waits_for_a_verdict_asks_once_a_ledger_however_often_it_looks() -> None:
    """(section 2) The first look was repeated after 1, 1.5 and 2.25 s; a car that starts and stops asked each time."""
    world = World()
    background = BackgroundSteps(world.do)
    for tenth in range(0, 600):
        background.hurry()
        turn(background, tenth / 10, WATCHED)
        assert len(world.asked) <= 1 + tenth // 50  # a ledger takes five seconds
    assert set(world.asked) == {Step.WATCH}
    assert len(world.asked) >= 6
    background.close()


def test_what_nobody_foresaw_holds_up_one_job_and_ends_nothing() -> None:
    """(aa) An answer that leads to an error without a type, on any step."""
    world = World()
    world.broken.add(Step.WATCH)
    background = BackgroundSteps(world.do)
    outcome = turn(background, 0, WATCHED, FINISHED)
    assert outcome is not None
    assert isinstance(outcome.trouble, MilepostError)
    assert "KeyError" in str(outcome.trouble)
    assert turn(background, 0, WATCHED, FINISHED) is not None
    assert world.asked == [Step.WATCH, Step.SIGN]
    assert turn(background, 0, WATCHED, FINISHED) is None
    assert turn(background, 60, WATCHED) is not None
    background.close()


@pytest.mark.parametrize("layout", [GOOD_LINK, Layout(chunk_bytes=100), Layout(links=2, chunk_bytes=64)])
def test_a_bundle_that_is_cut_in_another_way_is_turned_down(tmp_path: Path, layout: Layout) -> None:
    """(h) Who votes for a contribution keeps it, but stored again it had another name: its vehicle took it away once it
    was paid, and the initiator could not close."""
    bench = Workbench(tmp_path)
    honest = bench.entry(bench.better())
    folder = bench.shelf.get(honest.contribution, bundle.CONTRIBUTION_LIMITS)
    blocks = BlockFolder(tmp_path / "content")
    for block in importer.bundle_blocks(folder, layout):
        blocks.put(block)
    blocks.sync()
    cid = str(block.cid)
    assert cid != honest.contribution
    bench.shelf.get(cid, bundle.CONTRIBUTION_LIMITS)
    try:
        found = bench.measurement.contribution(cid)
    except Unavailable:  # it is fetched once more before anybody is blamed
        bench.shelf.get(cid, bundle.CONTRIBUTION_LIMITS)
        found = bench.measurement.contribution(cid)
    assert isinstance(found, Malformed)
    assert "not cut into blocks" in str(found)
    assert isinstance(bench.measurement.contribution(honest.contribution), Contribution)
