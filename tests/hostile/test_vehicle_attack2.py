"""A car's errands: what nobody foresaw ends no daemon, and who waits for a verdict is no burden to a Horizon."""

from __future__ import annotations

import time
from typing import cast

from agent.core.job import Job, State, Step
from agent.errors import MilepostError
from agent.vehicle.desk import Desk, Events
from agent.vehicle.errands import Errands, Outcome

WATCHED = Job("trip-1", State.ENTERED, {})
FINISHED = Job("trip-2", State.STORED, {})


class World:
    """What the errands ask about: counts the questions, and answers some in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.asked: list[Step] = []
        self.broken: set[Step] = set()

    def do(self, _: Job, step: Step) -> Events:
        self.asked.append(step)
        if step in self.broken:
            return cast(Events, {}["no such stake"])
        return []


def turn(errands: Errands, now: float, *jobs: Job) -> Outcome | None:
    errands.send(jobs, None, (), now)
    while not errands.idle:
        outcome = errands.fetch()
        if outcome is not None:
            errands.done(outcome, now)
            return outcome
        time.sleep(0.001)
    return None


def test_who_waits_for_a_verdict_asks_once_a_ledger_however_often_it_looks() -> None:
    """(section 2) The first look was repeated after 1, 1.5 and 2.25 s; a car that starts and stops asked each time."""
    world = World()
    errands = Errands(cast(Desk, world))
    for tenth in range(0, 600):
        errands.hurry()
        turn(errands, tenth / 10, WATCHED)
        assert len(world.asked) <= 1 + tenth // 50  # a ledger takes five seconds
    assert set(world.asked) == {Step.WATCH}
    assert len(world.asked) >= 6
    errands.close()


def test_what_nobody_foresaw_holds_up_one_job_and_ends_nothing() -> None:
    """(aa) An answer that leads to an error without a type, on any step."""
    world = World()
    world.broken.add(Step.WATCH)
    errands = Errands(cast(Desk, world))
    outcome = turn(errands, 0, WATCHED, FINISHED)
    assert outcome is not None
    assert isinstance(outcome.trouble, MilepostError)
    assert "KeyError" in str(outcome.trouble)
    assert turn(errands, 0, WATCHED, FINISHED) is not None
    assert world.asked == [Step.WATCH, Step.SIGN]
    assert turn(errands, 0, WATCHED, FINISHED) is None
    assert turn(errands, 60, WATCHED) is not None
    errands.close()
