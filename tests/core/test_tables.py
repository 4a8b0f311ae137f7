"""The tables of reviews, rounds and settlement accounts: only what they say happens, and whatever begins can end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.ids import AccountId, CidText, TxHash
from agent.core.jobs import review, settlement
from agent.core.jobs import round as rounds
from agent.core.jobs.fold import Event, Folded, NotInTable, advance, owed
from agent.core.ledger import Signed

ENVELOPE, CID, TX = Signed("AAAA", TxHash("ab" * 32), 7, 120), CidText("Qm1"), TxHash("cd" * 32)
LOST = (rounds.Lapsed("too late"), rounds.Refused("tx_bad_seq"))

EVENTS: dict[str, tuple[Event, ...]] = {
    "review": (
        review.Found(AccountId("G1"), AccountId("G2"), TX, 5, 25, CID, 10),
        review.Judged(CID, "accepted", 1, "falls", "0.5"),
        review.Settled("accepted", 1, 9, TX),
        review.Gone(),
    ),
    "round": (
        rounds.Planned(0),
        rounds.Stored("0.5", ()),
        rounds.Signed(ENVELOPE, CID, 9),
        *LOST,
        rounds.Announced(7, 1, 35),
        rounds.Published(),
        rounds.Closed(CID),
    ),
    "settlement": (
        settlement.Planned(),
        settlement.Stored(),
        settlement.Signed(ENVELOPE, AccountId("G1")),
        *LOST,
        settlement.Published(7, 0, 35),
    ),
}
JOBS: dict[str, Folded[Any, Any]] = {
    "review": review.Review("one"),
    "round": rounds.RoundJob("one"),
    "settlement": settlement.SettlementJob("one"),
}
names = pytest.mark.parametrize("name", JOBS)


@names
@given(data=st.data())
def test_an_event_outside_the_table_raises_and_changes_nothing(name: str, data: st.DataObject) -> None:
    job = JOBS[name]
    for event in data.draw(st.lists(st.sampled_from(EVENTS[name]), max_size=12)):
        before = repr(job)
        after = job.table.follows.get((job.state, type(event)))
        if after is None:
            with pytest.raises(NotInTable, match="Nothing was changed"):
                advance(job, event)
            assert repr(job) == before
        else:
            job = advance(job, event)
            assert (job.state, job.of(type(event))) == (after, event)


@names
def test_every_event_and_every_state_has_its_place_in_the_table(name: str) -> None:
    job = JOBS[name]
    assert {type(event) for event in EVENTS[name]} == {event for _, event in job.table.follows}
    reached = {job.state, *job.table.follows.values()}
    assert {before for before, _ in job.table.follows} <= reached
    assert job.table.owes.keys() <= reached


@names
def test_whatever_begins_can_end(name: str) -> None:
    table, ending = JOBS[name].table, set[Any]()
    states = {state for (before, _), after in table.follows.items() for state in (before, after)}
    while more := {s for s in states - ending if table.is_end(s) or _leads(table, s) & ending}:
        ending |= more
    assert ending == states


def _leads(table: Any, state: Any) -> set[Any]:
    return {after for (before, _), after in table.follows.items() if before is state}


def test_a_job_is_owed_nothing_where_it_is_over_or_its_owner_decides() -> None:
    left = {name: {s for s in type(job.state) if s not in job.table.owes} for name, job in JOBS.items()}
    assert left["review"] == {review.ReviewState.NONE, review.ReviewState.SETTLED, review.ReviewState.GONE}
    assert left["round"] == {rounds.RoundState.OPEN, rounds.RoundState.CLOSED}
    assert owed(JOBS["round"]) is rounds.RoundStep.LAY
