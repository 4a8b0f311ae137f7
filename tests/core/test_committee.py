"""A committee's business as a pure machine: what fewer than a third of liars cannot do, and what nobody can."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import moves
from agent.core.agenda import LEAST_FEE, MOST_FEE, VALID_S, CommitteeState
from agent.core.ballots import EARLY, apart, halted
from agent.core.committee import PATIENCE_S, step
from agent.core.documents import Purse
from agent.core.money import UNIT
from agent.core.motion import Batch, Sharing, on_turn, share_out
from agent.core.record import MAX_ENTRIES, Hindrance
from agent.core.verdict import threshold
from tests.core.chamber import CID, LEDGER_S, LIES, MEMBERS, STRANGER, TURN_S, Chamber, a_review, a_vote, entered, named

VISITS = 90
"""Ledgers within which even a rough committee has put what it was given on a roll and settled it."""
VERDICTS = st.sampled_from(["accepted", "idle", "rejected"])


@st.composite
def chambers(draw: st.DrawFn, lost: float = 0.0) -> Chamber:
    """One to seven members, fewer than a third of them liars, and up to five entries of the last few ledgers."""
    size = draw(st.integers(1, 7))
    liars = draw(st.lists(st.sampled_from(MEMBERS[:size]), unique=True, max_size=(size - 1) // 3))
    chamber = Chamber(
        size, {liar: draw(st.sampled_from(LIES)) for liar in liars}, dice=Random(draw(st.integers(0, 99)))
    )
    chamber.lost = lost
    for number in range(1, draw(st.integers(1, 5)) + 1):
        chamber.enters(a_review(number, ledger=draw(st.integers(5, 10)), outcome=draw(VERDICTS)))
    return chamber


def deserved(chamber: Chamber) -> dict[str, tuple[str, int]]:
    return {entry: (r.verdict.outcome, r.verdict.credit) for entry, r in chamber.reviews.items()}


# --- for all committees


@given(chambers())
@settings(max_examples=60)
def test_fewer_than_a_third_of_liars_move_no_verdict_and_nothing_starves(chamber: Chamber) -> None:
    wanted = deserved(chamber)
    chamber.settle(ticks=40 * chamber.size)
    assert chamber.ends == wanted


@given(chambers(lost=0.5), st.integers(0, 20))
@settings(max_examples=40)
def test_no_two_proposals_both_apply_however_many_messages_are_lost(chamber: Chamber, stormy: int) -> None:
    wanted = deserved(chamber)
    for _ in range(stormy):
        chamber.tick()
    chamber.lost = 0.0
    chamber.settle(ticks=80 * chamber.size)
    assert chamber.ends == wanted
    settled = [entry.entry for t in chamber.applied for entry in t.record.entries]
    assert len(settled) == len(set(settled))
    assert [t.record.index for t in chamber.applied] == list(range(len(chamber.applied)))
    assert [t.record.previous for t in chamber.applied] == [None, *(t.cid for t in chamber.applied)][:-1]


@pytest.mark.slow
@given(
    size=st.integers(4, 7),
    lie=st.sampled_from(LIES),
    seed=st.integers(0, 10**6),
    turn=st.integers(1, 3),
    rough=st.tuples(*[st.sampled_from([0.0, 0.1, 0.3])] * 2, *[st.sampled_from([0.0, 0.02, 0.1])] * 2),
)
@settings(max_examples=60)
def test_nothing_starves_where_a_turn_is_shorter_than_a_question_and_its_answer(
    size: int, lie: str, seed: int, turn: int, rough: tuple[float, float, float, float]
) -> None:
    """Messages are lost and late, members forget what they heard, stores are out: within a ledger or three, not all
    that are honest hear, sign and are heard."""
    dice = Random(seed)
    chamber = Chamber(size, {dice.choice(MEMBERS[:size]): lie}, dice=dice, turn=turn * LEDGER_S)
    chamber.lost, chamber.late, chamber.restarts, chamber.outages = rough
    for number in range(1, 6):
        chamber.enters(a_review(number, ledger=dice.randint(5, 10), outcome=dice.choice(["accepted", "idle"])))
    wanted = deserved(chamber)
    for _ in range(VISITS):
        chamber.visit()
    assert chamber.ends == wanted


@given(chambers(), st.data())
@settings(max_examples=60)
def test_a_vote_of_a_stranger_changes_nothing(chamber: Chamber, data: st.DataObject) -> None:
    """A vote by a member of another committee, about another round, or about an entry as nobody knows it."""
    member = chamber.members[0]
    chamber.tell(member, moves.Look())
    state, view = chamber.states[member], chamber.view(member)
    if not view.own:
        return
    review, _ = data.draw(st.sampled_from([*view.own.values()]))
    vote = data.draw(
        st.sampled_from(
            [
                a_vote(review, STRANGER, outcome="rejected", credit=0),
                a_vote(review, STRANGER, entry="ab" * 32),
                a_vote(review, MEMBERS[1], round=named("another round")),
                a_vote(review, MEMBERS[0], contribution=named("another contribution")),
            ]
        )
    )
    assert step(state, moves.Heard(vote), view) == (state, [])


@given(chambers())
@settings(max_examples=30)
def test_a_step_changes_nothing_but_what_it_returns(chamber: Chamber) -> None:
    member = chamber.members[0]
    state, view = chamber.states[member], chamber.view(member)
    assert step(state, moves.Look(), view) == step(state, moves.Look(), view)
    assert state == CommitteeState(member)


# --- votes


def heard(chamber: Chamber, member: str, *votes: object) -> CommitteeState:
    for vote in votes:
        chamber.tell(member, moves.Heard(vote))  # type: ignore[arg-type]
    return chamber.states[member]


def test_who_votes_twice_is_held_to_the_first_vote_and_named() -> None:
    chamber, review = Chamber(3), a_review(1)
    us, ann, ben = chamber.members
    chamber.enters(review)
    first, second = a_vote(review, ann), a_vote(review, ann, outcome="rejected", credit=0)
    state = heard(chamber, us, first, a_vote(review, ben), second, first)
    assert state.of(review.id) == tuple(sorted([first, a_vote(review, ben)], key=lambda v: v.validator))
    assert state.two_faced == {ann: review.id}


def test_twenty_thousand_votes_on_entries_that_do_not_exist_are_not_kept() -> None:
    chamber, review = Chamber(3), a_review(1)
    us, ann, _ = chamber.members
    state, view = chamber.states[us], chamber.view(us)
    vote = a_vote(review, ann)
    for number in range(20_000):
        state, actions = step(state, moves.Heard(vote.model_copy(update={"entry": f"{number:064x}"})), view)
        assert actions == []
    assert not state.votes
    assert sum(map(len, state.early.values())) == EARLY


def test_a_vote_that_comes_before_the_verdict_counts_once_it_is_there() -> None:
    chamber, review = Chamber(3), a_review(1)
    us, ann, _ = chamber.members
    heard(chamber, us, a_vote(review, ann))
    chamber.enters(review)
    chamber.tell(us, moves.Look())
    assert {vote.validator for vote in chamber.states[us].of(review.id)} == {us, ann}
    del chamber.reviews[review.id]
    chamber.tell(us, moves.Look())
    assert not chamber.states[us].votes


def test_another_figure_is_named_and_three_figures_halt_the_entry() -> None:
    chamber, review = Chamber(3), a_review(1)
    us, ann, ben = chamber.members
    chamber.enters(review)
    chamber.tell(us, moves.Look())
    state = heard(chamber, us, a_vote(review, ann), a_vote(review, ben, figure=Decimal("0.6")))
    assert apart(state, chamber.view(us)) == {ben: review.id}
    assert halted(state, chamber.view(us)) == []
    chamber = Chamber(3)
    chamber.enters(review)
    chamber.tell(us, moves.Look())
    others = a_vote(review, ann, figure=Decimal("0.7")), a_vote(review, ben, figure=Decimal("0.6"))
    assert halted(heard(chamber, us, *others), chamber.view(us)) == [review.id]


def test_one_that_varies_only_its_reason_keeps_nothing_open_and_is_named() -> None:
    chamber = Chamber(4, {MEMBERS[2]: "other reason"})
    review = a_review(1)
    chamber.enters(review)
    for member in chamber.members[:2]:
        heard(chamber, member, a_vote(review, MEMBERS[2], reason="something else"))
    chamber.settle(ticks=4)
    assert chamber.ends == {review.id: ("accepted", UNIT)}
    assert MEMBERS[2] in chamber.states[MEMBERS[0]].two_faced


# --- proposals


def a_proposal(chamber: Chamber) -> tuple[str, moves.Proposed]:
    """(the speaker, what it puts forward), with all votes heard by all."""
    for member in chamber.members:
        chamber.tell(member, moves.Look())
    votes = [mail for mail in chamber.mail if isinstance(mail[2], moves.Heard)]
    chamber.mail.clear()
    for _, to, said in votes:
        chamber.tell(to, said)
    for member in chamber.members:
        chamber.tell(member, moves.Look())
    speaker, said = next((by, said) for by, _, said in chamber.mail if isinstance(said, moves.Proposed))
    chamber.mail.clear()
    return speaker, said


def asked(chamber: Chamber, member: str, proposed: moves.Proposed) -> list[moves.Action]:
    return step(chamber.states[member], proposed, chamber.view(member))[1]


def test_a_cosigner_signs_the_record_it_would_have_made_itself() -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1), a_review(2, outcome="idle"))
    speaker, proposed = a_proposal(chamber)
    other = next(m for m in chamber.members if m != speaker)
    (action,) = asked(chamber, other, proposed)
    assert isinstance(action, moves.Cosign)
    assert action.record == chamber.transactions[proposed.hash].record


@pytest.mark.parametrize(
    ("twist", "why"),
    [
        ({"stakes": ("ab" * 32,)}, "judged here"),
        ({"stakes": ()}, "anything to be shared"),
        ({"max_time": 0}, "time bounds"),
        ({"max_time": 10**9}, "time bounds"),
        ({"fee": LEAST_FEE - 1}, "its fee"),
        ({"fee": MOST_FEE + 1}, "its fee"),
        ({"signers": frozenset()}, "somebody else's turn"),
    ],
)
def test_a_proposal_that_is_out_of_order_is_declined(twist: dict[str, object], why: str) -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1))
    speaker, proposed = a_proposal(chamber)
    other = next(m for m in chamber.members if m != speaker)
    (action,) = asked(chamber, other, replace(proposed, **twist))  # type: ignore[arg-type]
    assert isinstance(action, moves.Decline)
    assert why in action.why


def test_the_wrong_speaker_is_declined() -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1))
    speaker, proposed = a_proposal(chamber)
    other, third = (m for m in chamber.members if m != speaker)
    (action,) = asked(chamber, other, replace(proposed, signers=frozenset([third])))
    assert isinstance(action, moves.Decline)


def test_a_record_of_other_votes_is_fetched_once_a_ledger_and_signed_only_if_its_votes_make_it() -> None:
    chamber = Chamber(3)
    review = a_review(1)
    chamber.enters(review)
    speaker, proposed = a_proposal(chamber)
    other = next(m for m in chamber.members if m != speaker)
    view = chamber.view(other)
    strange = replace(proposed, cid=named("a record nobody has made"), hash="cd" * 32)
    state, (action,) = step(chamber.states[other], strange, view)
    assert action == moves.FetchVotes(strange)
    _, (again,) = step(state, replace(strange, hash="ef" * 32), view)
    assert isinstance(again, moves.Decline)
    votes = chamber.pinned[proposed.cid].votes
    for lie in (votes, votes[:1], tuple(v.model_copy(update={"entry": "ab" * 32}) for v in votes), ()):
        _, (declined,) = step(state, moves.Fetched(strange, lie), view)
        assert isinstance(declined, moves.Decline)
    _, (signed,) = step(state, moves.Fetched(proposed, votes), view)
    assert isinstance(signed, moves.Cosign)


def test_two_thirds_must_vote_and_a_turn_must_pass_before_the_others_are_left_out() -> None:
    chamber = Chamber(4, {MEMBERS[3]: "silent"})
    chamber.enters(a_review(1, ledger=10))
    chamber.settle(ticks=TURN_S // LEDGER_S)
    assert not chamber.applied
    chamber.settle(ticks=TURN_S)
    (transaction,) = chamber.applied
    assert len(transaction.record.votes) == 3


def test_a_batch_holds_no_more_than_a_transaction_and_one_entry_of_a_vehicle() -> None:
    chamber = Chamber(1)
    one = a_review(1)
    again = entered(a_review(2), vehicle=one.entry.vehicle)
    chamber.enters(one, again, *(a_review(n) for n in range(3, 40)))
    chamber.settle(ticks=10)
    assert [len(t.record.entries) for t in chamber.applied] == [MAX_ENTRIES, 39 - MAX_ENTRIES]
    assert len(chamber.ends) == 39


# --- what holds one up must not hold up the others


def test_what_made_a_settlement_fail_goes_alone_and_the_others_are_settled() -> None:
    chamber = Chamber(3)
    good, bad = [a_review(n) for n in (1, 2, 3)], a_review(4, ledger=1)
    chamber.enters(*good, bad)
    chamber.failing = {bad.id}
    for _ in range(12):
        chamber.tick()
    assert chamber.ends.keys() == {review.id for review in good}
    assert not any(bad.id in {e.entry for e in t.record.entries} for t in chamber.applied)


def test_an_entry_that_everybody_sees_otherwise_is_tried_last_and_in_the_end_alone() -> None:
    """Its vehicle drops its trustline and takes it up again in every ledger: no two members come to the same record."""
    chamber = Chamber(3)
    good, jam = [a_review(n) for n in range(1, 6)], a_review(9, ledger=1)
    chamber.enters(*good, jam)
    chamber.disputed = {jam.id}
    chamber.settle(ticks=100)
    assert chamber.ends == {review.id: ("accepted", UNIT) for review in good}


def test_an_entry_whose_vehicle_may_not_hold_dlc_waits_and_the_others_are_settled() -> None:
    chamber = Chamber(3)
    good, waits, taken, own_doing = (a_review(n) for n in (1, 2, 3, 4))
    chamber.enters(good, waits, taken, own_doing)
    chamber.hindrances = {
        waits.id: Hindrance("waits", "DLC"),
        taken.id: Hindrance("idle", "VLM"),
        own_doing.id: Hindrance("rejected", "no line"),
    }
    for _ in range(20):
        chamber.tick()
    assert chamber.ends == {good.id: ("accepted", UNIT), taken.id: ("idle", 0), own_doing.id: ("rejected", 0)}
    del chamber.hindrances[waits.id]
    chamber.settle(ticks=20)
    assert chamber.ends[waits.id] == ("accepted", UNIT)


@pytest.mark.parametrize("ledger", range(2, 10))
def test_an_old_entry_that_waits_does_not_draw_the_others_speaker(ledger: int) -> None:
    """Who puts forward and who signs reckon the turn from the same entry, whatever had to be left out."""
    chamber = Chamber(5, {MEMBERS[4]: "silent"})
    good, second, waits = (a_review(n, ledger=ledger) for n in (1, 2, 3))
    waits = entered(waits, ledger=1, entered_at=LEDGER_S)
    second = entered(second, vehicle=good.entry.vehicle)
    chamber.enters(good, second, waits)
    chamber.hindrances = {waits.id: Hindrance("waits", "DLC")}
    for _ in range(VISITS):
        chamber.visit()
    assert chamber.ends.keys() == {good.id, second.id}


def test_a_bid_that_waits_is_raised_tenfold_up_to_the_cap_and_cosigners_accept_it() -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1))
    chamber.least_fee = MOST_FEE
    chamber.settle(ticks=10 * PATIENCE_S // LEDGER_S)
    fees = {t.fee for t in chamber.transactions.values()}
    assert fees == {LEAST_FEE, 10 * LEAST_FEE, MOST_FEE}
    (transaction,) = chamber.applied
    assert transaction.fee == MOST_FEE
    chamber.enters(a_review(2, ledger=chamber.ledger))
    chamber.tick()
    assert {t.fee for t in chamber.transactions.values() if t.sequence == chamber.sequence + 1} <= {LEAST_FEE}


def test_a_liar_that_bids_little_does_not_lower_the_others_bid() -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1))
    speaker, proposed = a_proposal(chamber)
    other = next(m for m in chamber.members if m != speaker)
    chamber.tell(other, moves.Cosigned(replace(proposed, fee=MOST_FEE)))
    bid = chamber.states[other].bid
    chamber.ledger += 1
    chamber.tell(other, moves.Cosigned(replace(proposed, fee=LEAST_FEE, hash="cd" * 32)))
    assert chamber.states[other].bid == bid


def test_no_more_is_bid_than_the_account_can_pay() -> None:
    chamber, review = Chamber(1), a_review(1)
    chamber.enters(review)
    chamber.least_fee = MOST_FEE
    (us,) = chamber.members
    for _ in range(40):
        poor = replace(chamber.view(us), free=98 * 2500)
        chamber.states[us], actions = step(chamber.states[us], moves.Look(), poor)
        for action in actions:
            for said in chamber.do(us, action, poor):
                chamber.states[us], more = step(chamber.states[us], said, poor)
                for later in more:
                    chamber.do(us, later, poor)
        chamber.ledger += 1
    assert {t.fee for t in chamber.transactions.values()} == {LEAST_FEE, 2500}


# --- forfeited stakes


def a_sharing(chamber: Chamber, number: int) -> Sharing:
    round_ = chamber.served.round
    dear = round_.model_copy(update={"stake": round_.stake.model_copy(update={"base": 10 * UNIT})})
    served = replace(chamber.served, round=dear, newest=number)
    return Sharing(served, 9, {MEMBERS[10]: UNIT, MEMBERS[11]: 3 * UNIT})


def test_shares_are_paid_once_and_then_nothing_more_is_asked() -> None:
    chamber = Chamber(3, newest=1, purse=Purse(forfeited=100))
    chamber.sharing = a_sharing(chamber, 1)
    for _ in range(20):
        chamber.tick()
    (transaction,) = chamber.applied
    assert {s.vehicle: s.amount for s in transaction.record.shares} == {MEMBERS[10]: 25, MEMBERS[11]: 75}
    assert all(state.shared_out == CID for state in chamber.states.values())


def test_a_vehicle_that_cannot_be_paid_is_passed_over() -> None:
    chamber = Chamber(3, newest=1, purse=Purse(forfeited=100))
    chamber.sharing = a_sharing(chamber, 1)
    chamber.closed = {MEMBERS[11]}
    for _ in range(20):
        chamber.tick()
    (transaction,) = chamber.applied
    assert [s.amount for s in transaction.record.shares] == [25]
    assert chamber.link.purse.forfeited == 75


def test_a_round_number_of_a_million_does_not_freeze_the_purse() -> None:
    chamber = Chamber(3, newest=10**6, purse=Purse(forfeited=100))
    chamber.sharing = a_sharing(chamber, 10**6)
    chamber.enters(a_review(1))
    chamber.settle(ticks=10)
    assert chamber.link.purse == Purse(forfeited=100)
    chamber.sharing = a_sharing(chamber, 1)
    assert share_out(chamber.sharing, chamber.view(MEMBERS[0])) is not None


# --- nothing to do


def test_in_an_idle_market_nothing_is_looked_up() -> None:
    chamber = Chamber(3)

    class Nothing:
        head, own, rounds, ready, sharing = chamber.head, {}, {}, (), None
        newest = incoming = None

    assert step(CommitteeState(MEMBERS[0]), moves.Look(), Nothing())[1] == []  # type: ignore[arg-type]


def test_what_was_said_is_said_again_until_it_has_had_its_effect() -> None:
    chamber = Chamber(3)
    chamber.enters(a_review(1))
    us = chamber.members[0]
    for _ in range(3):
        chamber.tell(us, moves.Look())
        chamber.ledger += 1
    votes = [action for who, action in chamber.said if who == us and isinstance(action, moves.SayVote)]
    assert len(votes) == 3


def test_a_liar_on_turn_costs_its_turn_and_no_more() -> None:
    chamber = Chamber(4)
    chamber.enters(a_review(1, ledger=10))
    motion = next(iter(chamber.reviews.values()))
    view = chamber.view(MEMBERS[0])
    first = on_turn(Batch("", chamber.served, ((motion, ()),)), view, chamber.head.closed_at)
    chamber.lies = {first: "crooked"}
    chamber.settle(ticks=3 * TURN_S // LEDGER_S)
    (transaction,) = chamber.applied
    assert transaction.by != first
    assert len(transaction.record.entries) == 1
    assert threshold(4) == 3
    assert transaction.max_time <= chamber.head.closed_at + VALID_S
