"""How often a validator asks."""

from __future__ import annotations

from itertools import pairwise

from agent.core.pace import CYCLE, LINGER, Ask, Pace


def asked(turns: int, quiet: int = LINGER + CYCLE) -> list[Ask]:
    pace = Pace()
    for _ in range(quiet):
        pace.next(False)
    return [pace.next(False) for _ in range(turns)]


def test_while_something_goes_on_everything_is_asked_for() -> None:
    pace = Pace()
    assert {pace.next(True) for _ in range(500)} == {Ask.EVERYTHING}
    assert {pace.next(False) for _ in range(LINGER - 1)} == {Ask.EVERYTHING}


def test_in_the_quiet_a_turn_costs_one_request_on_average_and_stakes_are_seen_soon() -> None:
    turns = asked(10 * CYCLE)
    cost = {Ask.EVERYTHING: 7, Ask.STAKES: 1, Ask.ROUNDS: 1, Ask.NOTHING: 0}
    assert sum(cost[turn] for turn in turns) <= len(turns)
    looks = [n for n, turn in enumerate(turns) if turn in (Ask.STAKES, Ask.EVERYTHING)]
    assert max(b - a for a, b in pairwise(looks)) <= 8


def test_what_is_found_wakes_it() -> None:
    pace = Pace()
    for _ in range(LINGER + 9):
        pace.next(False)
    pace.wake()
    assert pace.next(False) is Ask.EVERYTHING
