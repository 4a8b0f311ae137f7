from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.fleet.inbox import Inbox


def test_a_repeat_is_dropped_and_a_jump_is_a_gap() -> None:
    inbox = Inbox()
    assert inbox.take("j", 3, 0)
    assert inbox.take("j", 5, 3)
    assert not inbox.take("j", 5, 3)
    assert not inbox.take("j", 1, 0)
    assert inbox.take("j", 9, 7)
    assert inbox.gaps == [(5, 7)]
    assert inbox.take("j", 7, 5)
    assert inbox.gaps == []
    assert not inbox.take("j", 7, 5)


def test_a_new_journal_starts_over_instead_of_being_taken_for_repeats() -> None:
    inbox = Inbox()
    inbox.take("old", 500, 499)
    assert inbox.take("new", 1, 0)
    assert not inbox.take("new", 1, 0)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.sets(st.integers(1, 40), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_whatever_was_lost_repeated_and_sent_again_each_event_counts_once(
    published: set[int], luck: random.Random
) -> None:
    seqs = sorted(published)
    wire = [(seq, after) for after, seq in zip([0, *seqs], seqs, strict=False)]
    arriving = [wire[0]] + [pair for pair in wire[1:] if luck.random() < 0.6 or pair == wire[-1]]
    noisy = arriving + luck.choices(arriving, k=5)
    inbox, counted = Inbox(), []
    for seq, after in arriving[:1] + sorted(noisy):
        counted += [seq] if inbox.take("j", seq, after) else []
    while inbox.gaps:
        after, until = inbox.gaps[0]
        before = after
        for seq in [seq for seq in seqs if after < seq <= until]:
            counted += [seq] if inbox.take("j", seq, before) else []
            before = seq
    assert sorted(counted) == seqs
