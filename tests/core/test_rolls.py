"""Rolls as the committee's machine conducts them: when one is due, who is on it, and what fewer than a third of liars
cannot do about it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import moves
from agent.core.committee import step
from agent.core.documents import Roll, SettlementRecord
from agent.core.jobs.review import Review
from agent.core.roll import TURNS
from tests.core.chamber import LEDGER_S, LIES, MEMBERS, TURN_S, Chamber, a_review, a_vote, named

TERMS = st.fixed_dictionaries({"collect": st.integers(0, 60), "most": st.integers(1, 4), "least": st.just(1)})


@st.composite
def chambers(draw: st.DrawFn) -> tuple[Chamber, list[Review]]:
    """A committee with fewer than a third of liars, and entries that come in over time, later ones among them."""
    size, terms = draw(st.integers(1, 7)), draw(TERMS)
    terms["least"] = draw(st.integers(1, terms["most"]))
    liars = draw(st.lists(st.sampled_from(MEMBERS[:size]), unique=True, max_size=(size - 1) // 3))
    lies = {liar: draw(st.sampled_from(LIES)) for liar in liars}
    chamber = Chamber(size, lies, dice=Random(draw(st.integers(0, 99))), terms=terms)
    ledgers = draw(st.lists(st.integers(5, 25), min_size=1, max_size=6))
    verdicts = st.sampled_from(["accepted", "idle", "rejected"])
    return chamber, [a_review(n + 1, ledger=ledger, outcome=draw(verdicts)) for n, ledger in enumerate(ledgers)]


def run(chamber: Chamber, entries: list[Review], ticks: int) -> None:
    """Each entry comes in with its ledger."""
    left = sorted(entries, key=lambda r: r.entry.ledger)
    for _ in range(ticks):
        while left and left[0].entry.ledger <= chamber.ledger:
            chamber.collects(left.pop(0))
        if not left and not chamber.reviews:
            return
        chamber.tick()


def deserved(entries: list[Review]) -> dict[str, tuple[str, int]]:
    return {r.id: (r.verdict.outcome, r.verdict.credit) for r in entries}


def rolls(chamber: Chamber) -> list[SettlementRecord]:
    return [t.record for t in chamber.applied if t.record.enrols is not None]


def on(record: SettlementRecord) -> list[str]:
    assert record.enrols is not None
    return [one.entry for one in record.enrols.entries]


# --- for all committees


@given(chambers())
@settings(max_examples=60)
def test_fewer_than_a_third_of_liars_move_no_verdict_and_nothing_starves(case: tuple[Chamber, list[Review]]) -> None:
    chamber, entries = case
    run(chamber, entries, ticks=100 * chamber.size)
    assert chamber.ends == deserved(entries)


@given(chambers(), st.integers(0, 30))
@settings(max_examples=40)
def test_each_entry_is_on_one_roll_and_settled_on_that_however_many_messages_are_lost(
    case: tuple[Chamber, list[Review]], stormy: int
) -> None:
    chamber, entries = case
    chamber.lost = 0.5
    run(chamber, entries, stormy)
    chamber.lost = 0.0
    run(chamber, [r for r in entries if r.id not in chamber.collected], ticks=120 * chamber.size)
    assert chamber.ends == deserved(entries)
    enrolled = [entry for record in rolls(chamber) for entry in on(record)]
    assert sorted(enrolled) == sorted(r.id for r in entries)
    assert [t.record.index for t in chamber.applied] == list(range(len(chamber.applied)))
    for transaction in chamber.applied:
        assert all(chamber.rolls[e.entry].cid == transaction.record.roll for e in transaction.record.entries)
        assert all(vote.roll == transaction.record.roll for vote in transaction.record.votes)


@given(chambers())
@settings(max_examples=60)
def test_no_roll_is_early_too_long_or_leaves_out_who_came_before_its_last(case: tuple[Chamber, list[Review]]) -> None:
    chamber, entries = case
    terms, placed = chamber.served.round, {r.id: (r.entry.ledger, r.id) for r in entries}
    run(chamber, entries, ticks=100 * chamber.size)
    enrolled = set[str]()
    for record in rolls(chamber):
        assert record.enrols is not None
        drawn_at, mine = record.enrols.drawn_at, on(record)
        waited = drawn_at - placed[mine[0]][0] * LEDGER_S
        assert len(mine) <= terms.most
        assert len(mine) == terms.most or waited >= terms.collect * (1 if len(mine) >= terms.least else 2)
        patience = 2 * terms.collect + TURNS * terms.turn
        for entry, place in placed.items():
            came_before = place < placed[mine[-1]] and entry not in enrolled
            assert entry in mine or not came_before or drawn_at - place[0] * LEDGER_S >= patience
        enrolled |= set(mine)


@pytest.mark.slow
@given(
    size=st.integers(4, 7),
    lie=st.sampled_from(LIES),
    seed=st.integers(0, 10**6),
    turn=st.integers(1, 3),
    rough=st.tuples(*[st.sampled_from([0.0, 0.1, 0.3])] * 2, *[st.sampled_from([0.0, 0.02, 0.1])] * 2),
)
@settings(max_examples=40)
def test_nothing_starves_where_daemons_look_at_different_times(
    size: int, lie: str, seed: int, turn: int, rough: tuple[float, float, float, float]
) -> None:
    dice = Random(seed)
    terms = {"collect": dice.choice([0, 10, 30]), "most": dice.choice([2, 32]), "least": dice.choice([1, 2])}
    chamber = Chamber(size, {dice.choice(MEMBERS[:size]): lie}, dice=dice, turn=turn * LEDGER_S, terms=terms)
    chamber.lost, chamber.late, chamber.restarts, chamber.outages = rough
    entries = [a_review(n, ledger=dice.randint(5, 10), outcome=dice.choice(["accepted", "idle"])) for n in range(1, 6)]
    chamber.collects(*entries)
    for _ in range(150):
        if not chamber.reviews:
            break
        chamber.visit()
    assert chamber.ends == deserved(entries)


@pytest.mark.slow
@given(st.integers(3, 7), st.data())
@settings(max_examples=60)
def test_a_bundle_that_is_shown_to_some_holds_the_others_up_for_a_while_only(size: int, data: st.DataObject) -> None:
    """So few have it that no two thirds can put it on a roll, and so many that no two thirds are without it."""
    needed = -(-2 * size // 3)
    holders = data.draw(st.integers(1, needed - 1))
    chamber = Chamber(size, terms={"collect": 20})
    dripped, good = a_review(1, ledger=8), [a_review(n, ledger=10) for n in (2, 3)]
    chamber.lacking = {member: {dripped.id} for member in MEMBERS[holders:size]}
    chamber.collects(dripped, *good)
    for _ in range((2 * 20 + (TURNS + 3 * size) * TURN_S) // LEDGER_S):
        chamber.tick()
    assert chamber.ends == deserved(good)
    assert dripped.id not in chamber.rolls


# --- when it is due


@pytest.mark.parametrize(
    ("cars", "waits"),
    [(1, 40), (2, 20), (3, 20), (4, 0), (6, 0)],
)
def test_one_car_waits_longest_and_a_full_roll_not_at_all(cars: int, waits: int) -> None:
    chamber = Chamber(3, terms={"collect": 20, "most": 4, "least": 2})
    chamber.collects(*(a_review(n, ledger=10) for n in range(1, cars + 1)))
    while not rolls(chamber):
        chamber.tick()
    record = rolls(chamber)[0]
    assert isinstance(record.enrols, Roll)
    assert record.enrols.drawn_at - 10 * LEDGER_S == waits
    assert len(on(record)) == min(cars, 4)


def test_who_comes_too_late_for_one_roll_is_on_the_next() -> None:
    chamber = Chamber(3, terms={"collect": 20})
    run(chamber, [a_review(1, ledger=10), a_review(2, ledger=12), a_review(3, ledger=20)], ticks=60)
    assert [len(on(record)) for record in rolls(chamber)] == [2, 1]


def test_entries_that_would_be_fused_with_different_rounds_are_on_different_rolls() -> None:
    chamber = Chamber(1)
    one, other = a_review(1), a_review(2)
    chamber.collects(one, other)
    (us,) = chamber.members
    view = chamber.view(us)
    first, second = view.ready
    apart = replace(view, ready=(first, replace(second, group=(second.group[0], named("a newer round")))))
    _, actions = step(chamber.states[us], moves.Look(), apart)
    (propose,) = [a for a in actions if isinstance(a, moves.Propose)]
    assert propose.record.enrols is not None
    assert len(propose.record.enrols.entries) == 1


# --- who signs it


def called(chamber: Chamber) -> tuple[str, moves.Proposed]:
    """(the speaker, the roll it puts forward)."""
    for member in chamber.members:
        chamber.tell(member, moves.Look())
    return next((by, said) for by, _, said in chamber.mail if isinstance(said, moves.Proposed))


def asked(chamber: Chamber, member: str, proposed: moves.Proposed) -> list[moves.Action]:
    """What it does about it, once it has fetched the record."""
    state, actions = step(chamber.states[member], proposed, chamber.view(member))
    if isinstance(actions[0], moves.FetchVotes):
        (fetched,) = chamber.do(member, actions[0], chamber.view(member))
        return step(state, fetched, chamber.view(member))[1]
    return actions


def test_a_member_signs_the_roll_that_it_would_have_called_itself_without_fetching_it() -> None:
    chamber = Chamber(3)
    chamber.collects(a_review(1), a_review(2))
    speaker, proposed = called(chamber)
    other = next(m for m in chamber.members if m != speaker)
    (action,) = step(chamber.states[other], proposed, chamber.view(other))[1]
    assert isinstance(action, moves.Cosign)


def test_a_member_that_knows_of_a_later_entry_signs_a_roll_without_it_and_one_that_knows_an_earlier_does_not() -> None:
    for ledger, kind in ((9, moves.Cosign), (1, moves.Decline)):
        chamber = Chamber(3)
        chamber.collects(a_review(1, ledger=5), a_review(2, ledger=5))
        speaker, proposed = called(chamber)
        other = next(m for m in chamber.members if m != speaker)
        chamber.collects(a_review(3, ledger=ledger))
        (action,) = asked(chamber, other, proposed)
        assert isinstance(action, kind), (ledger, action)


def test_a_member_that_lacks_an_entry_on_it_waits() -> None:
    chamber = Chamber(3)
    one, other = a_review(1), a_review(2)
    chamber.collects(one, other)
    speaker, proposed = called(chamber)
    lacks = next(m for m in chamber.members if m != speaker)
    chamber.lacking = {lacks: {other.id}}
    assert isinstance(asked(chamber, lacks, proposed)[0], moves.Decline)
    chamber.lacking = {}
    assert isinstance(asked(chamber, lacks, proposed)[0], moves.Cosign)


def test_what_is_on_a_roll_is_not_put_on_another() -> None:
    chamber = Chamber(3)
    chamber.collects(a_review(1))
    speaker, proposed = called(chamber)
    other = next(m for m in chamber.members if m != speaker)
    view = chamber.view(other)
    run(chamber, [], ticks=3)
    again = replace(view, rolls=dict(chamber.rolls))
    assert chamber.rolls
    assert isinstance(step(chamber.states[other], proposed, again)[1][0], moves.Decline | moves.SaySignature)
    assert not [a for a in step(chamber.states[other], moves.Look(), again)[1] if isinstance(a, moves.Propose)]


# --- what is said about it


def test_a_vote_on_another_roll_or_on_none_does_not_count() -> None:
    chamber = Chamber(3)
    review = a_review(1)
    chamber.collects(review)
    while not chamber.rolls:
        chamber.tick()
    us, ann, ben = chamber.members
    chamber.tell(us, moves.Look())
    before = chamber.states[us].of(review.id)
    for roll in (None, named("another roll")):
        chamber.tell(us, moves.Heard(a_vote(review, ann, outcome="rejected", credit=0, roll=roll)))
    assert chamber.states[us].of(review.id) == before
    chamber.tell(us, moves.Heard(chamber.own_vote(review, ben)))
    assert {vote.validator for vote in chamber.states[us].of(review.id)} >= {us, ben}
    assert not chamber.states[us].two_faced


def test_what_was_said_before_the_roll_is_said_anew_and_makes_nobody_two_faced() -> None:
    """Two turned it down for its form, the third and the fourth did not: it comes on a roll all the same."""
    chamber = Chamber(4)
    review = a_review(1, outcome="rejected")
    chamber.enters(review)
    for _ in range(2):
        for member in chamber.members[:2]:
            chamber.tell(member, moves.Look())
    chamber.deliver()
    chamber.collected = {review.id}
    run(chamber, [], ticks=30)
    assert chamber.ends == {review.id: ("rejected", 0)}
    assert not any(state.two_faced for state in chamber.states.values())
