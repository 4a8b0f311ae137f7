"""A book of jobs: what is in it is in the journal first, and a journal that was closed makes the same book again."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.ids import StakeId
from agent.core.jobs.fold import DidNotHappen, Event, Folded, NotInTable, Table, advance, fold, owed
from agent.core.jobs.written import names
from agent.errors import Malformed
from agent.journal import Journal, JournalDamaged
from agent.journal.book import Book, every
from agent.journal.codec import decode, encode


class State(str, Enum):
    NONE = "none"
    BEGUN = "begun"
    DONE = "done"


class Step(str, Enum):
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Scale:
    best: float = field(metadata={"written": "scale"})
    last: float | None = field(metadata={"written": "scale_last"})


@dataclass(frozen=True, slots=True)
class Begun(Event):
    stake: StakeId
    bids: tuple[int, ...] = ()
    scale: Scale | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Weighed(Event):
    grams: int


@dataclass(frozen=True, slots=True)
class Done(Event):
    pass


TABLE = Table(
    {(State.NONE, Begun): State.BEGUN, (State.BEGUN, Weighed): State.BEGUN, (State.BEGUN, Done): State.DONE},
    {State.BEGUN: Step.WORK},
)


@dataclass(frozen=True, slots=True)
class Parcel(Folded[State, Step]):
    state: State = State.NONE

    @property
    def table(self) -> Table[State, Step]:
        return TABLE


begun = st.builds(
    Begun,
    st.text(max_size=9).map(StakeId),
    st.lists(st.integers()).map(tuple),
    st.none() | st.builds(Scale, st.floats(0, 9), st.none() | st.floats(0, 9)),
    st.none() | st.text(max_size=9),
)


@given(begun)
def test_an_event_is_read_as_it_was_written(event: Begun) -> None:
    assert decode(TABLE, event.kind, encode(event)) == event


def test_what_is_within_is_written_among_the_rest_and_what_is_not_there_is_not_written() -> None:
    assert encode(Begun(StakeId("aa"), (1, 2), Scale(0.5, None))) == {
        "stake": "aa", "bids": [1, 2], "scale": 0.5, "scale_last": None,
    }  # fmt: skip
    assert encode(Begun(StakeId("aa"))) == {"stake": "aa", "bids": []}
    assert names(Begun) == ("stake", "bids", "scale", "scale_last", "why")


def test_what_an_older_agent_did_not_write_is_the_default_and_what_a_newer_one_wrote_is_passed_over() -> None:
    assert decode(TABLE, "begun", {"stake": "aa", "colour": "red"}) == Begun(StakeId("aa"))


@pytest.mark.parametrize(("kind", "data"), [("burnt", {}), ("begun", {}), ("begun", {"stake": "aa", "bids": "many"})])
def test_what_is_none_of_the_jobs_events_is_refused(kind: str, data: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        decode(TABLE, kind, data)
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append("one", kind, dict(data), at=0.0)
    with pytest.raises(JournalDamaged, match="number 1"):
        Book(journal, Parcel)
    journal.close()


def test_a_job_knows_the_newest_of_each_event_and_what_it_is_owed() -> None:
    job = fold(Parcel("one"), [Begun(StakeId("aa")), Weighed(1), Weighed(2)])
    assert (job.of(Begun).stake, job.of(Weighed).grams, owed(job), job.is_over) == ("aa", 2, Step.WORK, False)
    assert job.newest(Event) == Weighed(2)
    over = advance(job, Done())
    assert (owed(over), over.is_over) == (None, True)
    with pytest.raises(NotInTable):
        advance(over, Weighed(3))
    with pytest.raises(DidNotHappen):
        Parcel("two").of(Begun)


def test_a_journal_that_was_closed_makes_the_same_book_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    book = Book(journal, Parcel)
    book.record("one", Begun(StakeId("aa")), 1.0)
    book.record("two", Begun(StakeId("bb")), 2.0, {"note": "kept"})
    book.record("one", Done(), 3.0)
    with pytest.raises(NotInTable):
        book.record("one", Weighed(1), 4.0)
    opened = book.open
    journal.close()
    journal = Journal(path)
    assert Book(journal, Parcel).open == opened == {"two": Parcel("two", State.BEGUN, {Begun: Begun(StakeId("bb"))})}
    assert journal.note("note") == "kept"
    assert [(row.kind, row.data) for row in journal.events("one")] == [
        ("begun", {"stake": "aa", "bids": []}),
        ("done", {}),
    ]
    assert {name: job.is_over for name, job in every(journal, Parcel).items()} == {"one": True, "two": False}
    journal.close()
