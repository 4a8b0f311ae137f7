"""The three tables (a vehicle's job, a validator's review, an initiator's round): what may follow what, and folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import job
from agent.core.job import IN_FLIGHT, OUTCOMES, OWED, TABLE, Job, NotInTable, State, Step, advance, fold, owed

KINDS = sorted({kind for _, kind in TABLE})
events = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "unheard of"]), st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=2)
    ),
    max_size=40,
)

ONE = {
    "job": (job.TABLE, job.advance, job.Job("one")),
}


def what_follows(events: list[tuple[str, dict[str, int]]]) -> list[tuple[str, dict[str, int]]]:
    """The events of the list that may happen, in its order."""
    now, happened = Job("one"), []
    for kind, data in events:
        try:
            now = advance(now, kind, data)
        except NotInTable:
            continue
        happened.append((kind, data))
    return happened


@given(events)
def test_folding_what_happened_gives_the_job_as_it_was_when_it_happened(
    tried: list[tuple[str, dict[str, int]]],
) -> None:
    happened, now = what_follows(tried), Job("one")
    for count, (kind, data) in enumerate(happened):
        assert fold("one", happened[:count]) == now
        now = advance(now, kind, data)
    assert fold("one", happened) == now
    assert now.outcome in ("", *OUTCOMES)
    assert owed(now) is None or not now.is_over


@given(events)
def test_a_job_that_is_over_stays_over(tried: list[tuple[str, dict[str, int]]]) -> None:
    ended = fold("one", [("opened", {}), ("passed", {})])
    for kind, data in tried:
        with pytest.raises(NotInTable):
            advance(ended, kind, data)


@pytest.mark.parametrize("name", ONE)
@given(data=st.data())
def test_an_event_outside_the_table_raises_and_changes_nothing(name: str, data: st.DataObject) -> None:
    table: Mapping[tuple[Enum, str], Enum]
    step: Callable[..., Any]
    table, step, before = ONE[name]  # type: ignore[assignment]
    for kind in data.draw(st.lists(st.sampled_from(sorted({kind for _, kind in table})), max_size=12)):
        copy = repr(before)
        if (before.state, kind) in table:
            after = step(before, kind, {"seen": kind})
            assert after.state is table[before.state, kind]
            assert after.facts["seen"] == kind
        else:
            after = before
            with pytest.raises(NotInTable, match="Nothing was changed"):
                step(before, kind, {"seen": kind})
        assert repr(before) == copy
        before = after


def test_every_state_that_is_not_an_end_is_owed_one_step() -> None:
    ends = {State.CLOSED, State.PASSED}
    assert set(OWED) == set(State) - ends - {State.NONE}
    assert set(OWED.values()) == set(Step)
    assert owed(Job("one")) is None


def test_every_state_can_be_reached_and_every_job_can_end() -> None:
    assert set(TABLE.values()) == set(State) - {State.NONE}
    leads = {state: {after for (before, _), after in TABLE.items() if before is state} for state in State}
    ending = {State.CLOSED, State.PASSED}
    while more := {state for state, after in leads.items() if after & ending} - ending:
        ending |= more
    assert ending == set(State)


def test_only_a_ledger_leads_out_of_the_states_in_which_an_envelope_could_still_apply() -> None:
    for state in IN_FLIGHT:
        assert {kind for before, kind in TABLE if before is state} <= {
            "entered",
            "partly",
            "closed",
            "lapsed",
            "refused",
        }


def test_a_verdict_that_comes_while_the_stake_is_taken_back_counts() -> None:
    entered = [(k, {}) for k in ("opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered")]
    late = fold("one", [*entered, ("silent", {}), ("closing", {}), ("refused", {}), ("accepted", {"credit": 5})])
    assert (late.state, late.outcome, late.facts["credit"]) == (State.SETTLED, "accepted", 5)


def test_refusals_are_counted_until_the_entry_is_in() -> None:
    until_stored = [(k, {}) for k in ("opened", "chosen", "fetched", "arrived", "trained", "stored")]
    twice = [*until_stored, *[("signed", {}), ("refused", {})] * 2]
    assert fold("one", twice).refusals == 2
    assert fold("one", [*twice, ("signed", {}), ("entered", {})]).refusals == 0
