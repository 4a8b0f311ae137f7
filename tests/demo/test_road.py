"""Any drive is played: a short one scaled, one that is too short refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.sense.road import synthetic_drive
from tools.demo import stage
from tools.demo.road import LEAST, Course, TooShort


def course(seconds: float) -> Course:
    return Course(Path("road"), synthetic_drive(seconds, 20), "steering_deg")


def test_a_long_drive_is_played_as_it_is() -> None:
    assert stage.fitted(course(220), None, 2).scale == 1


def test_a_short_drive_has_shorter_trips_that_need_fewer_frames() -> None:
    short = stage.fitted(course(60), None, 2)
    assert LEAST <= short.scale < 1
    honest, _, hostile = short.stretches([share for _, _, share in stage.VEHICLES], 2)
    frames = 20 * (honest[0].end_s - honest[0].start_s)
    assert frames > stage.recipe(short).minimum_samples
    assert short.initiator_s < honest[0].start_s + 0.01
    assert hostile[-1].end_s < short.seen_s


def test_a_drive_that_is_too_short_is_refused_with_the_seconds_that_are_needed() -> None:
    with pytest.raises(
        TooShort, match=r"is 12 s long, and 2 trips of each vehicle need \d+ s .* fewer trips"
    ) as caught:
        stage.fitted(course(12), None, 2)
    needed = float(caught.value.facts["needed"])
    assert stage.fitted(course(needed + 0.1), None, 2).scale < 0.4
    with pytest.raises(TooShort, match=r"1 trip of each vehicle needs \d+ s of it\. Take a longer one\.$"):
        stage.fitted(course(12), None, 1)
