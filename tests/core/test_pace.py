"""How often a validator asks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.core.pace import LEDGER_S, Ask, Pace


def asked(turn_s: float, ledger_s: float, turns: int) -> list[tuple[int, Ask]]:
    """What is asked in which ledger by one who has been quiet for a while."""
    pace, known, found = Pace(), 0, list[tuple[int, Ask]]()
    for n in range(turns):
        now = n * turn_s
        ask = pace.next(False, known, now)
        if ask is not Ask.NOTHING:
            known = 100 + int(now // ledger_s)
            found.append((known, ask))
    return found[5:]


def test_while_something_goes_on_everything_is_asked_for() -> None:
    pace = Pace()
    assert {pace.next(True, n // 50, n * 0.1) for n in range(500)} == {Ask.EVERYTHING}


def test_who_has_just_started_looks_at_everything_once() -> None:
    pace = Pace()
    assert pace.next(False, 0, 17.0) is Ask.EVERYTHING
    assert pace.next(False, 0, 17.1) is Ask.NOTHING


@given(st.floats(0.01, 20.0), st.floats(0.3, LEDGER_S))
def test_in_the_quiet_there_is_one_question_a_ledger_however_short_a_turn_is(turn_s: float, ledger_s: float) -> None:
    found = asked(turn_s, ledger_s, 400)
    if found:
        assert len(found) <= (found[-1][0] - found[0][0]) * 1.25 + 2
        assert {ask for _, ask in found} <= {Ask.STAKES, Ask.ROUNDS}


def test_stakes_and_rounds_are_looked_at_in_turn() -> None:
    found = [ask for _, ask in asked(6.0, 5.0, 100)]
    assert found[:2] in ([Ask.STAKES, Ask.ROUNDS], [Ask.ROUNDS, Ask.STAKES])
    assert all(a is not b for a, b in pairwise(found))
