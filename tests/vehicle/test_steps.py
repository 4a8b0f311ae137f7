"""Every step that a job can be owed has a file that says what it does, why twice is harmless and what it raises."""

from __future__ import annotations

import inspect

import pytest

from agent.core.jobs.contribution import TABLE, Step
from agent.vehicle.steps import OWED, UNSTAKED


def test_whatever_a_job_is_owed_is_done_by_a_step_or_by_the_training_child() -> None:
    assert set(TABLE.owes.values()) == {*OWED, Step.TRAIN} == set(Step)
    assert set(UNSTAKED) < set(OWED)


@pytest.mark.parametrize("step", OWED, ids=lambda step: step.value)
def test_a_step_says_why_twice_is_harmless_and_what_it_raises(step: Step) -> None:
    said = inspect.getdoc(OWED[step]) or ""
    does, twice, *_ = said.split("\n\n")
    assert does
    assert twice.startswith("Twice is harmless: ")
    assert "\n\nRaises " in said
