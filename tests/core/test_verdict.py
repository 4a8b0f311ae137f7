"""What votes come to: a minority of liars moves nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from agent.core.documents import Outcome
from agent.core.money import UNIT
from agent.core.verdict import RANK, in_doubt, merge, of_one_figure, same_figure, threshold


@dataclass(frozen=True)
class Said:
    outcome: Outcome
    credit: int
    reason: str
    figure: float | None = 0.5
    """All honest validators measure the same."""


paid = st.builds(Said, st.just("accepted"), st.integers(1, UNIT), st.sampled_from("xyz"))
unpaid = st.builds(Said, st.sampled_from(["rejected", "idle"]), st.just(0), st.sampled_from("xyz"))
votes = st.lists(st.one_of(paid, unpaid), min_size=1, max_size=20)
lies = st.builds(replace, st.one_of(paid, unpaid), figure=st.sampled_from([None, 0.4, 0.5, 0.6]))


def worth(said: Said) -> tuple[int, int]:
    return RANK[said.outcome], said.credit


@given(votes, st.integers(1, 20))
def test_what_is_settled_was_said_by_two_thirds_or_hurts_nobody(cast: list[Said], more: int) -> None:
    size = max(len(cast), more)
    merged = merge(cast, size)
    if merged is None:
        assert len(cast) < size
    elif merged.reason == "the committee is divided":
        assert len(cast) == size and merged.outcome == "idle"
    else:
        same = [v for v in cast if (v.outcome == "rejected") is (merged.outcome == "rejected")]
        assert len(same) >= threshold(size)
        assert any((v.outcome, v.credit, v.reason) == (merged.outcome, merged.credit, merged.reason) for v in same)


@given(st.integers(1, 20), st.data())
def test_less_than_a_third_of_liars_moves_no_verdict_beyond_what_an_honest_validator_said(
    size: int, data: st.DataObject
) -> None:
    lying = data.draw(st.integers(0, (size - 1) // 3))
    honest = data.draw(st.lists(st.one_of(paid, unpaid), min_size=size - lying, max_size=size - lying))
    liars = data.draw(st.lists(lies, min_size=lying, max_size=lying))
    absent = data.draw(st.integers(0, size))
    heard = data.draw(st.permutations([*honest, *liars]))[: size - absent]
    merged = merge(heard, size)
    if merged is None or merged.reason == "the committee is divided":
        return
    if merged.outcome == "rejected":
        assert any(v.outcome == "rejected" for v in honest)
    else:
        for_it = [worth(v) for v in honest if v.outcome != "rejected"]
        assert min(for_it) <= worth(merged) <= max(for_it)  # type: ignore[arg-type]


def test_one_liar_among_two_votes_forfeits_nothing() -> None:
    assert merge([Said("accepted", 5, ""), Said("rejected", 0, "")], 3) is None


@given(votes, st.randoms())
def test_the_order_of_the_votes_decides_nothing(cast: list[Said], dice) -> None:
    shuffled = cast[:]
    dice.shuffle(shuffled)
    assert merge(shuffled, len(cast)) == merge(cast, len(cast))


@given(st.integers(1, 20))
def test_two_thirds_rounded_up_must_agree(validators: int) -> None:
    needed = threshold(validators)
    assert 3 * needed >= 2 * validators > 3 * (needed - 1)


def test_figures_are_the_same_to_a_ten_thousandth() -> None:
    assert same_figure([])
    assert same_figure([None, 0.5, None])
    assert same_figure([0.5, 0.50001, None])
    assert not same_figure([0.5, 0.5002])
    assert same_figure([0.0, 0.0])


@given(st.integers(1, 20), st.one_of(paid, unpaid), st.data())
def test_less_than_a_third_of_liars_keeps_nothing_from_being_settled_as_all_others_say(
    size: int, honest: Said, data: st.DataObject
) -> None:
    lying = data.draw(st.integers(0, (size - 1) // 3))
    heard = data.draw(st.lists(lies, max_size=lying))
    merged = merge(data.draw(st.permutations([honest] * (size - lying) + heard)), size)
    assert merged is not None
    assert worth(merged) == worth(honest)
    assert not in_doubt([honest] * (size - lying) + heard, size)


def test_figures_are_in_doubt_once_no_two_thirds_can_agree() -> None:
    said = [Said("accepted", 5, "", figure) for figure in (0.4, 0.5, 0.6)]
    assert of_one_figure(said) == said[:1]
    assert not in_doubt(said[:2], 3)
    assert in_doubt(said, 3)
    assert merge(said, 3) is None
    assert merge([*said, said[1], said[1]], 5) is None
    assert merge([*said, *[said[1]] * 4], 7) is not None
