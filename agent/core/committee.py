"""One settlement account's business, as one member of its committee conducts it (PROTOCOL section 6).

Rules
  1. Two thirds of the committee settle: fewer than a third, silent, lying or declining, neither move nor stop anything.
  2. A vote counts for its own entry's own round, the roll that it is on, and that round's committee. Who says two
     things is named, and what the record holds counts.
  3. A proposal is signed when it is what would have been built here from the votes that its record holds, and whose
     turn it was when it was drawn up (its time bound tells) has signed it. It stays good until that bound: a turn may
     be shorter than a question and its answer, and votes that come later void no signature.
  4. Two proposals cannot both apply: both use the settlement account's next sequence number. So nothing is written
     down, and what is lost is proposed again.
  5. What finds no signatures, or fails, goes on alone and last: it holds up nobody else.

`step` decides and does nothing. What it needs to know it reads from a `CommitteeView`, what is to be done it returns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.core import record as records
from agent.core.agenda import LEAST_FEE, MOST_FEE, VALID_S, CommitteeState, Draft
from agent.core.ballots import REPEAT_S, pruned, spoken, taken
from agent.core.cosigning import Step, batch_of, cosigned, fetched, is_ripe, proposed, record_of, shares_now
from agent.core.fields import MOST_ON_ROLL
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.review import Review
from agent.core.money import Stroops
from agent.core.motion import (
    Attest,
    Batch,
    CommitteeView,
    Motion,
    Payday,
    ShareOut,
    attest,
    cases_of,
    drawn_up,
    on_turn,
    payable,
    payday,
    roll_call,
    roll_calls,
    share_out,
)
from agent.core.moves import (
    Action,
    Cosigned,
    Drafted,
    Fetched,
    Follow,
    Heard,
    Look,
    Over,
    Propose,
    Proposed,
    Said,
    SayProposal,
    Signature,
    Submit,
)
from agent.core.verdict import threshold

SPARE_S = 30
"""A proposal that has no more time left than this is not said again."""
FEE_STEP = 10
"""A transaction that waits is replaced only by one that bids ten times as much (stellar-core's queue)."""
PATIENCE_S = 30
"""Ledger seconds that a bid is given before it is raised."""
LEAVING_S = 30
"""Before its vehicle may take it back, from when on an entry is settled alone."""
MOST_OPERATIONS = 98


def step(state: CommitteeState, said: Said, view: CommitteeView) -> Step:
    """What one thing that was seen or heard changes, and what is to be done about it."""
    match said:
        case Look():
            return _look(state, view)
        case Heard():
            return taken(state, said.vote, view), []
        case Proposed():
            return proposed(state, said, view)
        case Fetched():
            return fetched(state, said, view)
        case Signature():
            return _collect(state, said, view)
        case Drafted():
            return _drew(state, said, view)
        case Cosigned():
            return cosigned(state, said, view)
        case Over():
            return _over(state, said, view)


def _look(state: CommitteeState, view: CommitteeView) -> Step:
    """Say our votes, and settle when it is our turn."""
    state, words = spoken(pruned(state, view), view)
    state, actions = _settle(state, view)
    return state, [*words, *actions]


def _settle(state: CommitteeState, view: CommitteeView) -> Step:
    now, draft = view.head.closed_at, state.draft
    if draft is not None and draft.submitted_at is not None:
        follow: list[Action] = [Follow(draft.hash)]
        # Built anew where more can be bid, and where another transaction has taken its sequence number.
        is_stuck = _fee(state, view) > draft.fee or draft.sequence != view.sequence
        dropped = now >= draft.submitted_at + PATIENCE_S and is_stuck
        return (replace(state, draft=None) if dropped else state), follow
    state, motions = _motions(state, view)
    ready = {motion.name: payable(motion, view) for motion in motions}
    ours = [motion for motion in motions if (m := ready[motion.name]) and on_turn(m, view, now) == state.us]
    if draft is not None:
        if (now < draft.until or not ours) and _stands(state, draft, view):
            return _again(state, draft, now)
        return _settle(_fruitless(state, draft, view), view)
    # Entries have a window, the rest has none: that queues behind what is there already.
    queued = {m.name: now for m in motions if isinstance(m, ShareOut | Payday | Attest)}
    state = replace(state, moved_at={**queued, **state.moved_at})
    for motion in sorted(ours, key=lambda m: state.moved_at.get(m.name, -1)):
        # A motion that finds no signatures must not hold up the others: each has its go for a turn.
        names = {m.name for m in motions}
        moved = {name: at for name, at in state.moved_at.items() if name in names}
        state = replace(state, moved_at={**moved, motion.name: now})
        made = ready[motion.name]
        state = _tried(state, {r.id for r, _ in cases_of(motion)} - {r.id for r, _ in cases_of(made)}, now)
        if made is not None:
            return _propose(state, made, view)
    return state, []


def _motions(state: CommitteeState, view: CommitteeView) -> tuple[CommitteeState, list[Motion]]:
    """What is to be done: the ripe entries of each round and roll, oldest round first, then new rolls, then shares,
    wages, and a round to be attested. Entries that the same validators voted on go together: each of those can sign for
    all of them. What made a settlement fail, or may, goes alone."""
    ripe = defaultdict[tuple[CidText, CidText, tuple[str, ...]], list[records.Case]](list)
    for review, vote in view.own.values():
        served, votes = view.rounds.get(vote.round), state.of(review.id)
        if served is not None and is_ripe(review, votes, served, view.head.closed_at, view):
            alone = (review.id,) if view.is_troubled(review.id) or _is_leaving(review, view) else ()
            others = (*(v.validator for v in votes), *alone)
            ripe[(vote.round, vote.roll or CidText(""), others)].append((review, votes))
    found: list[Motion] = []
    for (base, roll, others), cases in sorted(ripe.items(), key=lambda item: view.rounds[item[0][0]].round.number):
        cases.sort(key=lambda c: (state.tried_at.get(c[0].id, -1), c[0].entry.ledger, c[0].id))
        settled = tuple(_one_each(cases)[: state.most])
        found.append(Batch(" ".join((base, roll, *others)), view.rounds[base], settled, roll or None))
    found += roll_calls(view, state.longest)
    sharing = view.sharing
    if sharing is not None and sharing.served.cid != state.shared_out:
        shares = share_out(sharing, view)
        if shares is None:
            state = replace(state, shared_out=sharing.served.cid)
        else:
            found.append(shares)
    owed = (payday(view, view.head.closed_at), attest(view, view.head.closed_at))
    return state, [*found, *(motion for motion in owed if motion is not None)]


def _is_leaving(review: Review, view: CommitteeView) -> bool:
    """Whether its vehicle may take it back before a proposal is in a ledger: then that one fails."""
    back = review.entry.take_back_at
    return back is not None and back <= view.head.closed_at + LEAVING_S


def _one_each(cases: Sequence[records.Case]) -> list[records.Case]:
    """The first of each vehicle: a record holds no more, and a hundred of one vehicle's keep nobody out of it."""
    found: dict[AccountId, records.Case] = {}
    for case in cases:
        found.setdefault(case[0].entry.vehicle, case)
    return list(found.values())


def _stands(state: CommitteeState, draft: Draft, view: CommitteeView) -> bool:
    """Whether our draft can still apply, and is what the votes that it holds make."""
    if not draft.hash or draft.sequence != view.sequence or view.head.closed_at >= draft.max_time - SPARE_S:
        return False
    motion: Motion | None = None
    at = draft.max_time - VALID_S
    if draft.entries:
        motion = batch_of(state, draft.entries, view, draft.record.votes)
    elif draft.record.enrols is not None:
        motion = roll_call([one.entry for one in draft.record.enrols.entries], view, at)
    elif draft.record.committee is not None:
        motion = attest(view, at)
    elif draft.record.paid is not None:
        motion = payday(view, at)
    else:
        motion = shares_now(view)
    return motion is not None and record_of(motion, state.us, view, at) == draft.record


def _again(state: CommitteeState, draft: Draft, now: int) -> Step:
    if now < draft.said_at + REPEAT_S:
        return state, []
    return replace(state, draft=replace(draft, said_at=now)), [SayProposal(draft.hash)]


def _fruitless(state: CommitteeState, draft: Draft, view: CommitteeView) -> CommitteeState:
    """It is given up. If it has had its go and nobody else settled meanwhile, what is in it is tried again last, in
    smaller parts."""
    state, had = replace(state, draft=None), view.head.closed_at >= draft.until
    return _smaller(state, draft, view) if had and draft.sequence == view.sequence else state


def _smaller(state: CommitteeState, draft: Draft, view: CommitteeView) -> CommitteeState:
    if draft.record.enrols is not None:
        return replace(state, longest=max(1, min(state.longest, len(draft.record.enrols.entries)) // 2))
    if not draft.entries:
        return state
    most = max(1, min(state.most, len(draft.entries)) // 2)
    return replace(_tried(state, draft.entries, view.head.closed_at), most=most)


def _tried(state: CommitteeState, entries: Iterable[StakeId], now: int) -> CommitteeState:
    return replace(state, tried_at={**state.tried_at, **dict.fromkeys(entries, now)})


def _propose(state: CommitteeState, motion: Motion, view: CommitteeView) -> Step:
    now, round_ = view.head.closed_at, motion.served.round
    made = drawn_up(motion, state.us, view, now)
    if made is None and isinstance(motion, Payday):  # nobody is left who can be paid now
        return state, []
    if made is None:  # nobody is left who can be paid a share
        return replace(state, shared_out=motion.served.cid), []
    fee = _fee(state, view)
    draft = Draft(motion.name, made, round_.committee, view.sequence, fee, now + round_.turn, now)
    return replace(state, draft=draft), [Propose(made, fee)]


def _fee(state: CommitteeState, view: CommitteeView) -> Stroops:
    """The bid per operation: raised when the last one has waited for long, as far as the account can pay."""
    bid, affordable = state.bid, max(LEAST_FEE, view.free // MOST_OPERATIONS)
    if bid.sequence != view.sequence:
        return LEAST_FEE
    is_over = view.head.closed_at >= bid.since + PATIENCE_S
    return max(LEAST_FEE, min(bid.fee * (FEE_STEP if is_over else 1), MOST_FEE, affordable))


def _drew(state: CommitteeState, said: Drafted, view: CommitteeView) -> Step:
    draft = state.draft
    if draft is None or draft.record != said.record or draft.submitted_at is not None:
        return state, []
    draft = replace(draft, hash=said.hash, max_time=said.max_time, signatures={})
    state = replace(state, draft=draft).bidding(draft.fee, view.sequence, view.head.closed_at)
    state, actions = _collect(state, Signature(state.us, said.hash, said.signature), view)
    return state, [SayProposal(said.hash), *actions]


def _collect(state: CommitteeState, said: Signature, view: CommitteeView) -> Step:
    draft = state.draft
    if draft is None or draft.submitted_at is not None or said.hash != draft.hash:
        return state, []
    if said.validator not in draft.committee:
        return state, []
    draft = replace(draft, signatures={**draft.signatures, said.validator: said.signature})
    needed = threshold(len(draft.committee))
    if len(draft.signatures) < needed:
        return replace(state, draft=draft), []
    state = replace(state, draft=replace(draft, submitted_at=view.head.closed_at))
    return state, [Submit(draft.hash, dict(sorted(draft.signatures.items())[:needed]))]


def _over(state: CommitteeState, said: Over, view: CommitteeView) -> Step:
    draft = state.draft
    if draft is None or draft.hash != said.hash:
        return state, []
    state = replace(state, draft=None)
    if said.failed:
        return _smaller(state, draft, view), []
    if said.underbid:
        return replace(state, bid=replace(state.bid, since=-PATIENCE_S)), []
    if draft.record.enrols is not None:
        return replace(state, longest=min(MOST_ON_ROLL, 2 * state.longest)), []
    return replace(state, most=min(records.MAX_ENTRIES, 2 * state.most)), []
