"""Pauses: twice as long each time, kept over a restart, and never longer than ten minutes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.pauses import REVIEW, Backoff, Patience, Pauses

FIRST_S, LONGEST_S = REVIEW.first, REVIEW.longest


def test_each_failure_doubles_the_pause_up_to_ten_minutes() -> None:
    pauses, now = Pauses(), 1000
    for length in (FIRST_S, 2 * FIRST_S, 4 * FIRST_S):
        pauses.failed("a", now)
        assert not pauses.is_over("a", now + length - 1)
        assert pauses.is_over("a", now + length)
    for _ in range(20):
        pauses.failed("a", now)
    assert pauses.is_over("a", now + LONGEST_S)
    assert not pauses.is_over("a", now + LONGEST_S - 1)


def test_what_never_failed_may_be_tried_and_what_is_over_is_forgotten() -> None:
    pauses = Pauses()
    pauses.failed("a", 5)
    pauses.failed("b", 5)
    pauses.keep(["b", "c"])
    assert "a" not in pauses and "b" in pauses
    assert pauses.is_over("a", 5) and pauses.is_over("never", 5)
    pauses.forget("b")
    assert pauses.is_over("b", 5)


def test_a_restart_keeps_them() -> None:
    pauses = Pauses()
    for _ in range(5):
        pauses.failed("a", 100)
    again = Pauses(pauses.text())
    assert again.text() == pauses.text()
    assert not again.is_over("a", 100)


@given(st.text(max_size=60))
def test_rubbish_in_their_place_is_no_pause(text: str) -> None:
    assert Pauses(text).is_over("a", 0)


def test_a_ledger_that_was_set_back_makes_no_pause_longer() -> None:
    pauses = Pauses()
    pauses.failed("a", 10**9)
    assert pauses.is_over("a", 5)


def test_a_backoff_doubles_from_its_first_pause_to_its_longest() -> None:
    ledgers = Backoff(2, 5)
    assert [ledgers.after(pause) for pause in (0, 2, 4, 5)] == [2, 4, 5, 5]
    assert Backoff(0.5, 4.0).few(4) == (0.5, 1.0, 2.0, 4.0)


def test_what_worked_starts_with_a_short_pause_again() -> None:
    patience = Patience()
    assert [patience.pause() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    patience.reward()
    assert patience.pause() == 0.5
