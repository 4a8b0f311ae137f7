"""A job is folded from its events, by a table.

Rules
  1. A job is never stored. Its events are; the job is what comes out of folding them.
  2. What may happen next is a table, keyed by the event's class. An event that is not in it raises and changes nothing.
  3. `owed(job)` names the one thing to do next. Crash recovery is: fold, ask, do.

Theory
  An event is a frozen dataclass, and the name of its class in lower case is its kind in the journal and on MQTT.
  A job keeps the newest event of each class, and no more: however often an envelope is built anew, it does not grow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar

from agent.errors import MilepostError


class NotInTable(MilepostError):
    """The event {kind} does not follow {state} in job {job}. Nothing was changed; run `milepost doctor`."""


class DidNotHappen(MilepostError):
    """Job {job} is {state}, and nothing in it says {kind}. It is a fault of this program; run `milepost doctor`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job."""

    @property
    def kind(self) -> str:
        """Its name in the journal and on MQTT."""
        return kind(type(self))


def kind(event: type[Event]) -> str:
    """What an event's class is called in the journal and on MQTT."""
    return event.__name__.lower()


S = TypeVar("S", bound=Enum)
T = TypeVar("T", bound=Enum)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Table(Generic[S, T]):
    """`follows`: the state after an event in a state. `owes`: the step that a job in a state is owed."""

    follows: Mapping[tuple[S, type[Event]], S]
    owes: Mapping[S, T]

    @cached_property
    def kinds(self) -> Mapping[str, type[Event]]:
        """Every event's class by its kind, as they first stand in the table."""
        return {kind(event): event for _, event in self.follows}

    def is_end(self, state: S) -> bool:
        """Whether nothing follows any more."""
        return not any(before is state for before, _ in self.follows)


AnyTable: TypeAlias = "Table[Any, Any]"


@dataclass(frozen=True, slots=True)
class Folded(ABC, Generic[S, T]):
    """What events make. A job of one kind says which `table` is its own, and what its state is before any event."""

    id: str
    state: S
    events: Mapping[type[Event], Event] = field(default_factory=dict)
    """The newest of each class, in the order in which they happened."""

    @property
    @abstractmethod
    def table(self) -> Table[S, T]: ...

    @property
    def is_over(self) -> bool:
        return self.table.is_end(self.state)

    def newest(self, event: type[E]) -> E | None:
        """The newest event of a class, or of one of its subclasses; None where there was none."""
        return next((each for each in reversed([*self.events.values()]) if isinstance(each, event)), None)

    def of(self, event: type[E]) -> E:
        """The same, where there must have been one: the states of the table say so. Raises DidNotHappen."""
        found = self.newest(event)
        if found is None:
            raise DidNotHappen(job=self.id, state=self.state.value, kind=kind(event))
        return found

    def after(self: J, event: Event, state: S) -> J:
        """The same job with one more event, in its new state. A job that counts something adds to this."""
        others = {of: each for of, each in self.events.items() if of is not type(event)}
        return replace(self, state=state, events={**others, type(event): event})


J = TypeVar("J", bound=Folded[Any, Any])
"""A job of any kind."""


def advance(job: J, event: Event) -> J:
    """The job after one event. Raises NotInTable."""
    after = job.table.follows.get((job.state, type(event)))
    if after is None:
        raise NotInTable(kind=event.kind, state=job.state.value, job=job.id)
    return job.after(event, after)


def fold(job: J, events: Iterable[Event]) -> J:
    """The job that these events make of it. Raises NotInTable."""
    for event in events:
        job = advance(job, event)
    return job


def owed(job: Folded[S, T]) -> T | None:
    """The one thing to do next, or None when the job is over."""
    return job.table.owes.get(job.state)
