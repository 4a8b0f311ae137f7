"""Whose turn it is to be judged: of several copies one is accepted, whatever comes to light first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from agent.core.documents import Outcome
from agent.core.turns import Waiting, may_be_judged, patience
from agent.core.verdict import merge

WINDOW = 400


@dataclass(frozen=True)
class Planned:
    """An entry, and when its bundle is to be had; None: never. Entries of one `update` are copies."""

    ledger: int
    update: int
    shown_at: int | None


entries = st.lists(
    st.builds(Planned, st.integers(1, 30), st.integers(0, 2), st.one_of(st.none(), st.integers(0, 600))),
    min_size=1,
    max_size=8,
)


def judged(plan: list[Planned], until: int = 700) -> dict[int, tuple[str, int]]:
    """Entry → (verdict, ledger time), by a validator that looks each second and takes the first whose turn it is. What
    is like something that was judged before is a copy."""
    said: dict[int, tuple[str, int]] = {}
    seen: set[int] = set()
    for now in range(until):
        waiting = [
            Waiting(
                str(n),
                p.ledger,
                patience(p.ledger, WINDOW),
                "base" if p.shown_at is not None and p.shown_at <= now else "",
                p.shown_at is not None and p.shown_at <= now,
            )
            for n, p in enumerate(plan)
            if n not in said and p.ledger <= now
        ]
        for one in may_be_judged(waiting, now)[:1]:
            update = plan[int(one.id)].update
            said[int(one.id)] = ("copy" if update in seen else "accepted", now)
            seen.add(update)
    return said


@given(entries)
def test_of_copies_one_is_accepted_whatever_is_revealed_first(plan: list[Planned]) -> None:
    accepted = [plan[n].update for n, (verdict, _) in judged(plan).items() if verdict == "accepted"]
    assert len(accepted) == len(set(accepted))


@given(entries)
def test_the_first_on_the_ledger_is_the_original_if_its_bundle_is_there_in_time(plan: list[Planned]) -> None:
    said = judged(plan)
    for n, planned in enumerate(plan):
        first = min((p.ledger, str(m)) for m, p in enumerate(plan) if p.update == planned.update)
        if (planned.ledger, str(n)) == first and planned.shown_at is not None and planned.shown_at <= planned.ledger:
            assert said[n][0] == "accepted"


@given(entries)
def test_nobody_waits_for_others_longer_than_a_quarter_of_the_window(plan: list[Planned]) -> None:
    said = judged(plan)
    for n, planned in enumerate(plan):
        if planned.shown_at is not None:
            here = max(planned.ledger, planned.shown_at)
            assert said[n][1] <= max(here, patience(planned.ledger, WINDOW)) + len(plan)


def test_an_entry_on_another_base_holds_nobody_up() -> None:
    first, second = Waiting("a", 1, 100, "one", False), Waiting("b", 2, 100, "other", True)
    assert may_be_judged([second, first], 10) == [second]
    unknown = Waiting("a", 1, 100)
    assert may_be_judged([second, unknown], 10) == []
    assert may_be_judged([second, unknown], 100) == [second]


class Cast(NamedTuple):
    """A vote."""

    outcome: Outcome
    credit: int
    reason: str = ""
    figure: float | None = None


views = st.lists(st.sampled_from(["first", "second", "neither"]), min_size=1, max_size=20)


@given(views, st.sampled_from(["rejected", "idle"]))
def test_a_committee_that_saw_different_things_pays_one_of_two_copies_at_most(saw: list[str], other: str) -> None:
    """Each validator accepts one of them at most; what it says of the other is "rejected" or, if late, "idle"."""

    def says(which: str, mine: str) -> Cast:
        return Cast("accepted", 5) if which == mine else Cast(other, 0)  # type: ignore[arg-type]

    merged = [merge([says(which, mine) for which in saw], len(saw)) for mine in ("first", "second")]
    assert sum(verdict is not None and verdict.outcome == "accepted" for verdict in merged) <= 1
