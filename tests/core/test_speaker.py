"""The speaker: anybody computes the same order, and who agreed more often speaks more often."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from agent.core.speaker import on_turn, order, strengths

NAMES = [f"G{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
committees = st.lists(st.sampled_from(NAMES), min_size=1, max_size=20, unique=True)
counts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10_000))
seeds = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(committees, counts, seeds)
def test_everybody_speaks_once_before_anybody_speaks_again(
    committee: list[str], agreed: dict[str, int], seed: str
) -> None:
    assert sorted(order(committee, agreed, seed)) == sorted(committee)


@given(committees, counts, seeds, st.randoms())
def test_the_order_does_not_depend_on_how_the_committee_is_written_down(
    committee: list[str], agreed: dict[str, int], seed: str, dice
) -> None:
    shuffled = committee[:]
    dice.shuffle(shuffled)
    assert order(shuffled, agreed, seed) == order(committee, agreed, seed)


@given(committees, counts)
def test_strengths_come_to_one_or_two_and_nobody_has_none(committee: list[str], agreed: dict[str, int]) -> None:
    strong = strengths(committee, agreed)
    assert sum(strong.values()) == (2 if any(agreed.get(v) for v in committee) else 1)
    assert all(value >= Fraction(1, len(committee)) for value in strong.values())


def test_the_first_word_goes_by_strength() -> None:
    agreed = {"GA": 6, "GB": 3, "GC": 0}
    strong = strengths(["GA", "GB", "GC"], agreed)
    drawn = Counter(order(["GA", "GB", "GC"], agreed, sha256(b"%d" % n).hexdigest())[0] for n in range(3000))
    for validator, strength in strong.items():
        assert abs(drawn[validator] / 3000 - strength / 2) < 0.03


def test_turns_go_round() -> None:
    speakers = ["GA", "GB", "GC"]
    assert [on_turn(speakers, waited, 30) for waited in (-5, 0, 29, 30, 60, 90)] == ["GA", "GA", "GA", "GB", "GC", "GA"]
