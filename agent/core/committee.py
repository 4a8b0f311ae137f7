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

`step` decides and does nothing. What it needs to know it reads from a `Sight`, what is to be done it returns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.core import record as records
from agent.core.agenda import LEAST_FEE, MOST_FEE, Bid, Draft, State
from agent.core.ballots import REPEAT_S, is_about, pruned, spoken, taken
from agent.core.documents import SettlementRecord, Vote
from agent.core.fields import MOST_ON_ROLL
from agent.core.jobs.review import Review
from agent.core.money import Stroops
from agent.core.motion import (
    Batch,
    Motion,
    ShareOut,
    Sight,
    cases_of,
    drawn_up,
    on_turn,
    payable,
    roll_call,
    roll_calls,
    share_out,
)
from agent.core.moves import (
    Action,
    Cosigned,
    Decline,
    Drafted,
    Fetched,
    FetchVotes,
    Follow,
    Heard,
    Look,
    Over,
    Propose,
    Proposed,
    Said,
    SayProposal,
    SaySignature,
    Sign,
    Signature,
    Submit,
)
from agent.core.verdict import threshold
from agent.errors import Malformed

VALID_S = 240
"""How long a proposal may be signed and enter a ledger, from the ledger on that it was drawn up in."""
LATE_S = 10
"""How far the speaker's ledger may be ahead of ours."""
SPARE_S = 30
"""A proposal that has no more time left than this is not said again."""
FEE_STEP = 10
"""A transaction that waits is replaced only by one that bids ten times as much (stellar-core's queue)."""
PATIENCE_S = 30
"""Ledger seconds that a bid is given before it is raised."""
LEAVING_S = 30
"""Before its vehicle may take it back, from when on an entry is settled alone."""
MOST_OPERATIONS = 98
REMEMBERED = 8
"""Signed proposals whose signature is said again without a second look."""


Step = tuple[State, list[Action]]


def step(state: State, said: Said, sight: Sight) -> Step:
    """What one thing that was seen or heard changes, and what is to be done about it."""
    return _STEPS[type(said)](state, said, sight)


def _look(state: State, _: Look, sight: Sight) -> Step:
    """Say our votes, and settle when it is our turn."""
    state, words = spoken(pruned(state, sight), sight)
    state, actions = _settle(state, sight)
    return state, [*words, *actions]


def _heard(state: State, said: Heard, sight: Sight) -> Step:
    return taken(state, said.vote, sight), []


# --- the speaker


def _settle(state: State, sight: Sight) -> Step:
    now, draft = sight.head.closed_at, state.draft
    if draft is not None and draft.submitted_at is not None:
        follow: list[Action] = [Follow(draft.hash)]
        # Built anew where more can be bid, and where another transaction has taken its sequence number.
        is_stuck = _fee(state, sight) > draft.fee or draft.sequence != sight.sequence
        dropped = now >= draft.submitted_at + PATIENCE_S and is_stuck
        return (replace(state, draft=None) if dropped else state), follow
    state, motions = _motions(state, sight)
    ready = {motion.name: payable(motion, sight) for motion in motions}
    ours = [motion for motion in motions if (m := ready[motion.name]) and on_turn(m, sight, now) == state.us]
    if draft is not None:
        if (now < draft.until or not ours) and _stands(state, draft, sight):
            return _again(state, draft, now)
        return _settle(_fruitless(state, draft, sight), sight)
    # Entries have a window, shares have none: those queue behind what is there already.
    queued = {m.name: now for m in motions if isinstance(m, ShareOut)}
    state = replace(state, moved_at={**queued, **state.moved_at})
    for motion in sorted(ours, key=lambda m: state.moved_at.get(m.name, -1)):
        # A motion that finds no signatures must not hold up the others: each has its go for a turn.
        names = {m.name for m in motions}
        moved = {name: at for name, at in state.moved_at.items() if name in names}
        state = replace(state, moved_at={**moved, motion.name: now})
        made = ready[motion.name]
        state = _tried(state, {r.id for r, _ in cases_of(motion)} - {r.id for r, _ in cases_of(made)}, now)
        if made is not None:
            return _propose(state, made, sight)
    return state, []


def _motions(state: State, sight: Sight) -> tuple[State, list[Motion]]:
    """What is to be done: the ripe entries of each round and roll, oldest round first, then new rolls, then shares.
    Entries that the same validators voted on go together: each of those can sign for all of them. What made a
    settlement fail, or may, goes alone."""
    ripe = defaultdict[tuple[str, ...], list[records.Case]](list)
    for review, vote in sight.own.values():
        served, votes = sight.rounds.get(vote.round), state.of(review.id)
        if served is not None and _is_ripe(review, votes, served, sight.head.closed_at, sight):
            alone = (review.id,) if sight.is_troubled(review.id) or _is_leaving(review, sight) else ()
            ripe[(vote.round, vote.roll or "", *(v.validator for v in votes), *alone)].append((review, votes))
    found: list[Motion] = []
    for name, cases in sorted(ripe.items(), key=lambda item: sight.rounds[item[0][0]].round.number):
        cases.sort(key=lambda c: (state.tried_at.get(c[0].id, -1), c[0].entry.ledger, c[0].id))
        settled = tuple(_one_each(cases)[: state.most])
        found.append(Batch(" ".join(name), sight.rounds[name[0]], settled, name[1] or None))
    found += roll_calls(sight, state.longest)
    sharing = sight.sharing
    if sharing is not None and sharing.served.cid != state.shared_out:
        shares = share_out(sharing, sight)
        if shares is None:
            state = replace(state, shared_out=sharing.served.cid)
        else:
            found.append(shares)
    return state, found


def _is_ripe(review: Review, votes: Sequence[Vote], served: records.Terms, now: int, sight: Sight) -> bool:
    on = sight.rolls.get(review.id)
    return records.ripe(review, votes, served.round, now, on.roll.drawn_at if on is not None else 0)


def _is_leaving(review: Review, sight: Sight) -> bool:
    """Whether its vehicle may take it back before a proposal is in a ledger: then that one fails."""
    back = review.entry.take_back_at
    return back is not None and back <= sight.head.closed_at + LEAVING_S


def _one_each(cases: Sequence[records.Case]) -> list[records.Case]:
    """The first of each vehicle: a record holds no more, and a hundred of one vehicle's keep nobody out of it."""
    found: dict[str, records.Case] = {}
    for case in cases:
        found.setdefault(case[0].entry.vehicle, case)
    return list(found.values())


def _stands(state: State, draft: Draft, sight: Sight) -> bool:
    """Whether our draft can still apply, and is what the votes that it holds make."""
    if not draft.hash or draft.sequence != sight.sequence or sight.head.closed_at >= draft.max_time - SPARE_S:
        return False
    motion: Motion | None = None
    at = draft.max_time - VALID_S
    if draft.entries:
        motion = _batch(state, draft.entries, sight, draft.record.votes)
    elif draft.record.enrols is not None:
        motion = roll_call([one.entry for one in draft.record.enrols.entries], sight, at)
    else:
        motion = _sharing(sight)
    return motion is not None and _made(motion, state.us, sight, at) == draft.record


def _again(state: State, draft: Draft, now: int) -> Step:
    if now < draft.said_at + REPEAT_S:
        return state, []
    return replace(state, draft=replace(draft, said_at=now)), [SayProposal(draft.hash)]


def _fruitless(state: State, draft: Draft, sight: Sight) -> State:
    """It is given up. If it has had its go and nobody else settled meanwhile, what is in it is tried again last, in
    smaller parts."""
    state, had = replace(state, draft=None), sight.head.closed_at >= draft.until
    return _smaller(state, draft, sight) if had and draft.sequence == sight.sequence else state


def _smaller(state: State, draft: Draft, sight: Sight) -> State:
    if draft.record.enrols is not None:
        return replace(state, longest=max(1, min(state.longest, len(draft.record.enrols.entries)) // 2))
    if not draft.entries:
        return state
    most = max(1, min(state.most, len(draft.entries)) // 2)
    return replace(_tried(state, draft.entries, sight.head.closed_at), most=most)


def _tried(state: State, entries: Iterable[str], now: int) -> State:
    return replace(state, tried_at={**state.tried_at, **dict.fromkeys(entries, now)})


def _propose(state: State, motion: Motion, sight: Sight) -> Step:
    now, round_ = sight.head.closed_at, motion.served.round
    made = drawn_up(motion, state.us, sight, now)
    if made is None:  # nobody is left who can be paid a share
        return replace(state, shared_out=motion.served.cid), []
    fee = _fee(state, sight)
    draft = Draft(motion.name, made, round_.committee, sight.sequence, fee, now + round_.turn, now)
    return replace(state, draft=draft), [Propose(made, fee)]


def _fee(state: State, sight: Sight) -> Stroops:
    """The bid per operation: raised when the last one has waited for long, as far as the account can pay."""
    bid, affordable = state.bid, max(LEAST_FEE, sight.free // MOST_OPERATIONS)
    if bid.sequence != sight.sequence:
        return LEAST_FEE
    is_over = sight.head.closed_at >= bid.since + PATIENCE_S
    return max(LEAST_FEE, min(bid.fee * (FEE_STEP if is_over else 1), MOST_FEE, affordable))


def _bidding(state: State, fee: Stroops, sight: Sight) -> State:
    if state.bid.sequence == sight.sequence and fee <= state.bid.fee:
        return state
    return replace(state, bid=Bid(sight.sequence, fee, sight.head.closed_at))


def _drew(state: State, said: Drafted, sight: Sight) -> Step:
    draft = state.draft
    if draft is None or draft.record != said.record or draft.submitted_at is not None:
        return state, []
    draft = replace(draft, hash=said.hash, max_time=said.max_time, signatures={})
    state = _bidding(replace(state, draft=draft), draft.fee, sight)
    state, actions = _collect(state, Signature(state.us, said.hash, said.signature), sight)
    return state, [SayProposal(said.hash), *actions]


def _collect(state: State, said: Signature, sight: Sight) -> Step:
    draft = state.draft
    if draft is None or draft.submitted_at is not None or said.hash != draft.hash:
        return state, []
    if said.validator not in draft.committee:
        return state, []
    draft = replace(draft, signatures={**draft.signatures, said.validator: said.signature})
    needed = threshold(len(draft.committee))
    if len(draft.signatures) < needed:
        return replace(state, draft=draft), []
    state = replace(state, draft=replace(draft, submitted_at=sight.head.closed_at))
    return state, [Submit(draft.hash, dict(sorted(draft.signatures.items())[:needed]))]


def _over(state: State, said: Over, sight: Sight) -> Step:
    draft = state.draft
    if draft is None or draft.hash != said.hash:
        return state, []
    state = replace(state, draft=None)
    if said.failed:
        return _smaller(state, draft, sight), []
    if said.underbid:
        return replace(state, bid=replace(state.bid, since=-PATIENCE_S)), []
    if draft.record.enrols is not None:
        return replace(state, longest=min(MOST_ON_ROLL, 2 * state.longest)), []
    return replace(state, most=min(records.MAX_ENTRIES, 2 * state.most)), []


# --- the others


def _proposed(state: State, said: Proposed, sight: Sight) -> Step:
    if said.hash in state.signed:
        return state, [SaySignature(said.hash)]
    return _consider(state, said, None, sight)


def _fetched(state: State, said: Fetched, sight: Sight) -> Step:
    for vote in said.votes:
        if is_about(vote, sight):
            state = taken(state, vote, sight)
    return _consider(state, said.proposed, said, sight)


def _consider(state: State, proposed: Proposed, fetched: Fetched | None, sight: Sight) -> Step:
    """Sign it if its record is the one that we would make: of the votes and entries that are held here, or else of
    those that it holds."""

    def declined(why: str) -> Step:
        return state, [Decline(proposed.hash, why)]

    def fetch(by: str) -> Step:
        if state.fetched_in.get(by) == sight.head.sequence:
            return declined("another record of its speaker's was fetched in this ledger")
        return replace(state, fetched_in={**state.fetched_in, by: sight.head.sequence}), [FetchVotes(proposed)]

    now, at = sight.head.closed_at, proposed.max_time - VALID_S
    motion = _put_forward(state, proposed, fetched, sight)
    if motion is None and not (proposed.enrols and fetched is None and sight.ready):
        return declined("it is about no entries that are judged here, or ready for a roll, nor anything to be shared")
    if not now < proposed.max_time <= now + VALID_S + LATE_S:
        return declined("its time bounds are not within the protocol's")
    if not LEAST_FEE <= proposed.fee <= MOST_FEE:
        return declined("its fee is not within the protocol's")
    if motion is None:
        return fetch(min(proposed.signers, default=""))
    by = on_turn(motion, sight, at)
    if by not in proposed.signers:
        return declined("it was somebody else's turn")
    made = _made(motion, by, sight, at)
    if made is not None and sight.cid(made) == proposed.cid:
        return state, [Sign(made, proposed)]
    if fetched is not None or not proposed.stakes:
        return declined("its record is not the one that its votes make")
    return fetch(by)


def _put_forward(state: State, proposed: Proposed, fetched: Fetched | None, sight: Sight) -> Motion | None:
    """What it is about, as far as that is known here. A roll may be the one that we would call ourselves."""
    if proposed.stakes:
        return _batch(state, proposed.stakes, sight, fetched.votes if fetched is not None else None)
    if not proposed.enrols:
        return _sharing(sight)
    at = proposed.max_time - VALID_S
    if fetched is not None:
        return roll_call(fetched.enrolled, sight, at)
    return next((c for c in roll_calls(sight, state.longest) if _is_record_of(c, proposed, sight, at)), None)


def _is_record_of(motion: Motion, proposed: Proposed, sight: Sight, at: int) -> bool:
    made = _made(motion, on_turn(motion, sight, at), sight, at)
    return made is not None and sight.cid(made) == proposed.cid


def _sharing(sight: Sight) -> Motion | None:
    return share_out(sight.sharing, sight) if sight.sharing is not None else None


def _batch(state: State, stakes: Sequence[str], sight: Sight, votes: Sequence[Vote] | None = None) -> Batch | None:
    """Entries as they are known here, with the votes that are held, or with these. None unless all are judged here, of
    one round and on one roll."""
    own = [sight.own[stake] for stake in stakes if stake in sight.own]
    rolls = {(vote.round, vote.roll) for _, vote in own}
    if len(own) < len(stakes) or len(rolls) != 1:
        return None
    ((round_, roll),) = rolls
    if round_ not in sight.rounds:
        return None
    cast = state.votes if votes is None else _by_entry(votes, sight)
    cases = tuple((r, tuple(vote for _, vote in sorted(cast.get(r.id, {}).items()))) for r, _ in own)
    return Batch("", sight.rounds[round_], cases, roll)


def _by_entry(votes: Sequence[Vote], sight: Sight) -> Mapping[str, Mapping[str, Vote]]:
    """Those that are about entries as they are known here."""
    found = defaultdict[str, dict[str, Vote]](dict)
    for vote in votes:
        if is_about(vote, sight) and vote.validator in sight.rounds[vote.round].round.committee:
            found[vote.entry][vote.validator] = vote
    return found


def _made(motion: Motion, by: str, sight: Sight, at: int) -> SettlementRecord | None:
    now = sight.head.closed_at + LATE_S
    if any(not _is_ripe(review, votes, motion.served, now, sight) for review, votes in cases_of(motion)):
        return None
    try:
        return drawn_up(motion, by, sight, at)
    except Malformed:
        return None


def _cosigned(state: State, said: Cosigned, sight: Sight) -> Step:
    signed = (*state.signed, said.proposed.hash)[-REMEMBERED:]
    return _bidding(replace(state, signed=signed), said.proposed.fee, sight), [SaySignature(said.proposed.hash)]


_STEPS: Mapping[type, Callable[[State, Any, Sight], Step]] = {
    Look: _look,
    Heard: _heard,
    Proposed: _proposed,
    Fetched: _fetched,
    Signature: _collect,
    Drafted: _drew,
    Cosigned: _cosigned,
    Over: _over,
}
