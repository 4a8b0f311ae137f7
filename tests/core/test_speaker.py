"""The speaker: anybody computes the same order, and who agreed more often speaks more often."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from agent.core.speaker import drawn, on_turn, strengths

NAMES = [f"G{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
committees = st.lists(st.sampled_from(NAMES), min_size=1, max_size=20, unique=True)
counts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10_000))
seeds = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(committees, counts, seeds, st.randoms())
def test_the_draw_does_not_depend_on_how_the_committee_is_written_down(
    committee: list[str], agreed: dict[str, int], seed: str, dice
) -> None:
    shuffled = committee[:]
    dice.shuffle(shuffled)
    assert drawn(shuffled, agreed, seed) == drawn(committee, agreed, seed)


@given(committees, counts)
def test_strengths_come_to_one_or_two_and_nobody_has_none(committee: list[str], agreed: dict[str, int]) -> None:
    strong = strengths(committee, agreed)
    assert sum(strong.values()) == (2 if any(agreed.get(v) for v in committee) else 1)
    assert all(value >= Fraction(1, len(committee)) for value in strong.values())


def test_turns_go_by_strength() -> None:
    agreed = {"GA": 6, "GB": 3, "GC": 0}
    strong = strengths(["GA", "GB", "GC"], agreed)
    spoke = Counter(drawn(["GA", "GB", "GC"], agreed, sha256(b"%d" % n).hexdigest()) for n in range(3000))
    for validator, strength in strong.items():
        assert abs(spoke[validator] / 3000 - strength / 2) < 0.03


@given(committees, counts, st.integers(0, 2**31), st.integers(1, 600))
def test_a_turn_has_one_speaker_from_its_first_second_to_its_last(
    committee: list[str], agreed: dict[str, int], at: int, turn: int
) -> None:
    first = at - at % turn
    speakers = {on_turn(committee, agreed, "GS", moment, turn) for moment in (first, at, first + turn - 1)}
    assert len(speakers) == 1


def test_each_settlement_account_has_its_own() -> None:
    turns = range(0, 300, 30)
    one, other = ([on_turn(NAMES, {}, account, at, 30) for at in turns] for account in ("GS", "GT"))
    assert one != other and len(set(one)) > 1
