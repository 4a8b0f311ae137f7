"""What a car expects of its next trip follows what its trips came to."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from agent.core.experience import RECENT, Deed, deed, odds, quality, steps
from agent.core.jobs.contribution import Accepted
from agent.core.money import UNIT
from tests.vehicle.trips import chosen, job, trained

ROAD = "DLMroad:G1"
outcomes = st.sampled_from(["accepted", "idle", "rejected", "silent", ""])


def trips(*made: int | None, model: str = ROAD) -> list[Deed]:
    return [Deed(model, each, 400) for each in made]


def ended(*became: str) -> list[Deed]:
    return [Deed(ROAD, 400, 400, each, UNIT if each == "accepted" else 0) for each in became]


def test_the_chance_of_being_accepted_follows_what_happened() -> None:
    assert odds(0.9, []) == odds(0.9, ended(*["accepted"] * 9, "rejected"))
    assert odds(0.9, ended(*["rejected"] * 10)).accepted < odds(0.9, ended("accepted")).accepted < 1
    assert odds(0.9, ended("idle")).idle == Fraction(1, 11)
    assert odds(0.9, [Deed()] * 5) == odds(0.9, [])


@given(st.floats(0, 1), st.lists(outcomes, max_size=40))
def test_the_odds_of_all_ends_and_of_none_come_to_one(prior: float, became: list[str]) -> None:
    found = odds(prior, ended(*became))
    silent = Fraction(became.count("silent"), 10 + len([each for each in became if each]))
    assert min(found.accepted, found.idle, found.rejected) >= 0
    assert found.accepted + found.idle + found.rejected + silent == 1


def test_a_car_expects_the_steps_that_its_last_trips_made() -> None:
    assert steps([], ROAD, 400) == 400
    assert steps(trips(30, 36, 400), ROAD, 400) == 36
    assert steps(trips(30, 36, 400, 500), ROAD, 20) == 20
    assert steps([*trips(9, model="DLMsign:G1"), *trips(36)], ROAD, 400) == 36
    assert steps(trips(9, model="DLMsign:G1"), ROAD, 400) == 9


def test_a_car_whose_trips_were_too_short_tries_again_after_as_many_trips_without_a_contribution() -> None:
    short = trips(5, 5, 5)
    assert steps([*short, *[Deed()] * (RECENT - 3)], ROAD, 400) == 5
    assert steps([*short, *[Deed()] * RECENT], ROAD, 400) == 400


def test_a_car_expects_the_credit_that_its_work_was_given() -> None:
    half = Deed(ROAD, 200, 400, "accepted", UNIT // 4)
    assert quality([], ROAD) == 1
    assert quality([half], ROAD) == Fraction(1, 2)
    assert quality([half], "DLMsign:G1") == 1
    assert quality([Deed(ROAD, 1, 400, "accepted", UNIT), *ended("idle")], ROAD) == 1


def test_a_job_of_an_earlier_version_says_what_it_can() -> None:
    old = job(chosen(model=ROAD), trained(36), Accepted(credit=UNIT))
    assert deed(old) == Deed(ROAD, 36, None, "accepted", UNIT)
    assert deed(old).quality is None
