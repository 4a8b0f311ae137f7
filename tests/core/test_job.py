"""The vehicle's table: what may follow what, what is owed, and what an older journal says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.jobs.contribution import (
    IN_FLIGHT,
    TABLE,
    Accepted,
    Closed,
    Closing,
    Entered,
    Job,
    JobState,
    Lapsed,
    Opened,
    Outcome,
    Partly,
    Passed,
    Refused,
    Rejected,
    Silent,
    Step,
    Stored,
    Trained,
)
from agent.core.jobs.fold import Event, NotInTable, advance, fold, owed
from agent.journal.codec import decode, encode
from tests.vehicle import trips

NEED = (trips.chosen(), trips.trained(), trips.signed(), Stored(trips.WORK), Entered(7), Closing(trips.ENVELOPE))
"""Of each class that cannot be made of nothing."""
EVERY = [*NEED, *(event() for event in TABLE.kinds.values() if event not in map(type, NEED))]
events = st.lists(st.sampled_from(EVERY), max_size=40)
OUTCOMES = [kind for kind, event in TABLE.kinds.items() if issubclass(event, Outcome)]


def what_follows(tried: list[Event]) -> list[Event]:
    """The events of the list that may happen, in its order."""
    now, happened = Job("one"), []
    for event in tried:
        try:
            now = advance(now, event)
        except NotInTable:
            continue
        happened.append(event)
    return happened


@given(events)
def test_folding_what_happened_gives_the_job_as_it_was_when_it_happened(tried: list[Event]) -> None:
    happened, now = what_follows(tried), Job("one")
    for count, event in enumerate(happened):
        assert fold(Job("one"), happened[:count]) == now
        now = advance(now, event)
    assert fold(Job("one"), happened) == now
    assert now.outcome in ("", *OUTCOMES)
    assert owed(now) is None or not now.is_over


@given(events)
def test_a_job_that_is_over_stays_over(tried: list[Event]) -> None:
    ended = fold(Job("one"), [Opened(), Passed()])
    for event in tried:
        with pytest.raises(NotInTable):
            advance(ended, event)


@given(st.lists(st.sampled_from(EVERY), max_size=12))
def test_an_event_outside_the_table_raises_and_changes_nothing(tried: list[Event]) -> None:
    before = Job("one")
    for event in tried:
        copy = repr(before)
        if (before.state, type(event)) in TABLE.follows:
            after = advance(before, event)
            assert after.state is TABLE.follows[before.state, type(event)]
            assert after.of(type(event)) is event
        else:
            after = before
            with pytest.raises(NotInTable, match="Nothing was changed"):
                advance(before, event)
        assert repr(before) == copy
        before = after


def test_every_state_that_is_not_an_end_is_owed_one_step() -> None:
    ends = {JobState.CLOSED, JobState.PASSED}
    assert set(TABLE.owes) == set(JobState) - ends - {JobState.NONE}
    assert set(TABLE.owes.values()) == set(Step)
    assert {state for state in JobState if TABLE.is_end(state)} == ends
    assert owed(Job("one")) is None


def test_every_state_can_be_reached_and_every_job_can_end() -> None:
    follows = TABLE.follows
    assert set(follows.values()) == set(JobState) - {JobState.NONE}
    leads = {state: {after for (before, _), after in follows.items() if before is state} for state in JobState}
    ending = {JobState.CLOSED, JobState.PASSED}
    while more := {state for state, after in leads.items() if after & ending} - ending:
        ending |= more
    assert ending == set(JobState)


def test_only_a_ledger_leads_out_of_the_states_in_which_an_envelope_could_still_apply() -> None:
    for state in IN_FLIGHT:
        leading = {event for before, event in TABLE.follows if before is state}
        assert leading <= {Entered, Partly, Closed, Lapsed, Refused}


def test_a_verdict_that_comes_while_the_stake_is_taken_back_counts() -> None:
    taking_back = [Silent(), Closing(trips.ENVELOPE), Refused()]
    late = fold(Job("one"), [*trips.way(), *taking_back, Accepted(credit=5)])
    assert (late.state, late.outcome, late.credit) == (JobState.SETTLED, "accepted", 5)


def test_refusals_are_counted_until_the_entry_is_in() -> None:
    until_stored, signed = trips.way()[:-2], trips.signed()
    twice = [*until_stored, *[signed, Refused()] * 2]
    assert fold(Job("one"), twice).refusals == 2
    assert fold(Job("one"), [*twice, signed, Entered(7)]).refusals == 0


def test_what_was_signed_counts_above_what_was_chosen() -> None:
    chosen = trips.chosen(stake=1, fee=2, reward=3)
    job = trips.job(chosen)
    assert (job.stake, job.fee, job.reward) == (1, 2, 3)
    job = trips.job(chosen, trips.signed(stake=10, fee=20, reward=30))
    assert (job.stake, job.fee, job.reward) == (10, 20, 30)
    job = trips.job(chosen, trips.signed(stake=10))  # as an older agent wrote it
    assert (job.stake, job.fee, job.reward) == (10, 2, 3)


SIGNED = {"envelope": "AAAA", "hash": "a" * 64, "sequence": 7, "max_time": 1_800_000_000}
WRITTEN: list[tuple[str, dict[str, Any]]] = [
    ("opened", {"metres": 1002}),
    (
        "chosen",
        {
            "round": "Qm1", "number": 3, "model": "DLMroad:G", "offer": 12, "reward": 1, "stake": 2, "fee": 3,
            "planned": 400, "offers": [{"net": 5, "lost": ""}], "passed_over": ["Round Qm2 opens after ledger 9."],
        },
    ),
    ("fetched", {}),
    ("arrived", {"reason": "standstill", "metres": 3400, "seconds": 240}),
    ("passed", {"reason": "why"}),
    ("passed", {"reason": "why", "metres": 3400, "seconds": 240}),
    ("trained", {"samples": 400, "steps": 36, "held_back": None}),
    ("trained", {"samples": 4, "steps": 3, "held_back": 3.2, "shadow": 1.5, "shadow_last": None, "shadow_worse": True}),
    ("stored", {"contribution": "Qm1"}),
    (
        "signed",
        {
            **SIGNED, "stake": 2, "fee": 3, "reward": 1, "stake_asset": "DLC:G", "settled_by": "G",
            "stake_id": "b" * 64, "take_back_at": 60,
        },
    ),
    ("lapsed", {"why": "late"}),
    ("refused", {"codes": "TX_FAILED"}),
    ("entered", {"ledger": 7, "bids": [1, 2]}),
    ("accepted", {"credit": 5, "returned": 4, "settlement": "c" * 64, "reason": "loss falls"}),
    ("idle", {"credit": 0, "returned": 4, "settlement": "c" * 64, "reason": ""}),
    ("rejected", {"credit": 0, "returned": 0, "reason": "taken from a record"}),
    ("silent", {"reason": "nobody"}),
    ("clawed", {"credit": 0, "returned": 0, "reason": "gone"}),
    ("closing", {**SIGNED, "waits": ""}),
    ("partly", {}),
    ("closed", {"paid": 9}),
    ("closed", {"paid": 9, "paid_to": "G", "arrived": 2, "arrived_as": "USD:G"}),
]  # fmt: skip
"""What the agent wrote of each event before events had classes."""


@pytest.mark.parametrize(("kind", "data"), WRITTEN)
def test_what_stands_in_the_journal_and_on_mqtt_stays_as_it_was(kind: str, data: dict[str, Any]) -> None:
    event = decode(TABLE, kind, data)
    assert (event.kind, encode(event)) == (kind, data)
    assert set(TABLE.kinds) == {kind for kind, _ in WRITTEN}


OLDER: list[tuple[str, dict[str, Any], Event]] = [
    (
        "chosen",
        {"round": trips.ROUND, "number": 3, "model": "DLMroad:G", "offer": 12, "reward": 1, "stake": 2, "offers": []},
        trips.chosen(number=3, offer=12, reward=1, stake=2),
    ),
    ("trained", {"samples": 4, "steps": 3}, Trained(4, 3, None)),
    (
        "signed",
        {**SIGNED, "stake": 2, "stake_id": "b" * 64, "take_back_at": 60},
        trips.signed(stake=2, take_back_at=60),
    ),
    ("rejected", {"credit": 0, "returned": 0, "settlement": "c" * 64, "reason": "x"}, Rejected("x", 0, 0, "c" * 64)),
    ("closing", SIGNED, Closing(trips.ENVELOPE)),
]
"""As version 0.1 and what came soon after wrote them."""


@pytest.mark.parametrize(("kind", "data", "event"), OLDER)
def test_what_an_older_agent_wrote_is_read(kind: str, data: dict[str, Any], event: Event) -> None:
    assert decode(TABLE, kind, data) == event
