"""The tables drawn: as Mermaid for people, and as JSON for whoever shows where a job stands.

`make states` writes both (`tools/states.py`): docs/states.md and the fleet page's states.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from agent.core.jobs import addition, contribution, dispute, draw, hearing, review, ruling, settlement
from agent.core.jobs import round as rounds
from agent.core.jobs.fold import AnyTable, kind

TABLES: Mapping[str, AnyTable] = {
    "contribution": contribution.TABLE,
    "review": review.TABLE,
    "round": rounds.TABLE,
    "settlement": settlement.TABLE,
    "addition": addition.TABLE,
    "dispute": dispute.TABLE,
    "hearing": hearing.TABLE,
    "ruling": ruling.TABLE,
    "draw": draw.TABLE,
}


def plain(table: AnyTable) -> dict[str, object]:
    """`states` in their order, with what each is owed, and null where a job in it is over; `events` as [before, kind,
    after]. The state before the first event is not among the states."""
    states = {state.value: _owed(table, state) for state in _states(table)}
    events = [[before.value, kind(event), after.value] for (before, event), after in table.follows.items()]
    return {"states": states, "events": events}


def mermaid(table: AnyTable) -> str:
    """A state diagram (mermaid.js.org, stateDiagram-v2)."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in table.follows.items():
        arrows.setdefault((_node(table, before), after.value), []).append(kind(event))
    lines = [f"{before} --> {after}: {', '.join(kinds)}" for (before, after), kinds in arrows.items()]
    owed = {state.value: _owed(table, state) for state in _states(table)}
    lines += [f"{state}: {state} ({step})" for state, step in owed.items() if step]
    lines += [f"{state} --> [*]" for state, step in owed.items() if step is None]
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)])


def _states(table: AnyTable) -> list[Enum]:
    """All but the one before the first event."""
    reached = set(table.follows.values())
    return [state for state in type(next(iter(reached))) if state in reached]


def _owed(table: AnyTable, state: Enum) -> str | None:
    """'' where a job waits, and the next event is somebody else's."""
    step = table.owes.get(state)
    return None if table.is_end(state) else step.value if step else ""


def _node(table: AnyTable, state: Enum) -> str:
    return state.value if state in table.follows.values() else "[*]"
