"""Whether a member of a committee signs what another puts forward: if it is what would have been built here.

The record is built anew, of the votes and entries that are held here or else of those that the proposed one holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.core import record as records
from agent.core.agenda import LATE_S, LEAST_FEE, MOST_FEE, VALID_S, CommitteeState
from agent.core.ballots import is_about, taken
from agent.core.documents import SettlementRecord, Vote
from agent.core.ids import AccountId, StakeId
from agent.core.jobs.review import Review
from agent.core.motion import (
    Batch,
    CommitteeView,
    Motion,
    attest,
    cases_of,
    drawn_up,
    on_turn,
    payday,
    roll_call,
    roll_calls,
    share_out,
)
from agent.core.moves import (
    Action,
    Cosign,
    Cosigned,
    Decline,
    Fetched,
    FetchVotes,
    Proposed,
    SaySignature,
)
from agent.errors import Malformed

REMEMBERED = 8
"""Signed proposals whose signature is said again without a second look."""

Step = tuple[CommitteeState, list[Action]]


def proposed(state: CommitteeState, said: Proposed, view: CommitteeView) -> Step:
    if said.hash in state.signed:
        return state, [SaySignature(said.hash)]
    return _consider(state, said, None, view)


def fetched(state: CommitteeState, said: Fetched, view: CommitteeView) -> Step:
    for vote in said.votes:
        if is_about(vote, view):
            state = taken(state, vote, view)
    return _consider(state, said.proposed, said, view)


def _consider(state: CommitteeState, proposed: Proposed, fetched: Fetched | None, view: CommitteeView) -> Step:
    """Cosign it if its record is the one that we would make: of the votes and entries that are held here, or else of
    those that it holds."""

    def declined(why: str) -> Step:
        return state, [Decline(proposed.hash, why)]

    def fetch(by: AccountId) -> Step:
        if state.fetched_in.get(by) == view.head.sequence:
            return declined("another record of its speaker's was fetched in this ledger")
        return replace(state, fetched_in={**state.fetched_in, by: view.head.sequence}), [FetchVotes(proposed)]

    now, at = view.head.closed_at, proposed.max_time - VALID_S
    motion = _put_forward(state, proposed, fetched, view)
    if motion is None and not (proposed.enrols and fetched is None and view.ready):
        return declined("it is about no entries that are judged here, or ready for a roll, nor anything to be shared")
    if not now < proposed.max_time <= now + VALID_S + LATE_S:
        return declined("its time bounds are not within the protocol's")
    if not LEAST_FEE <= proposed.fee <= MOST_FEE:
        return declined("its fee is not within the protocol's")
    if motion is None:
        return fetch(min(proposed.signers, default=AccountId("")))
    by = on_turn(motion, view, at)
    if by not in proposed.signers:
        return declined("it was somebody else's turn")
    made = record_of(motion, by, view, at)
    if made is not None and view.cid(made) == proposed.cid:
        return state, [Cosign(made, proposed)]
    if fetched is not None or not proposed.stakes:
        return declined("its record is not the one that its votes make")
    return fetch(by)


def _put_forward(
    state: CommitteeState, proposed: Proposed, fetched: Fetched | None, view: CommitteeView
) -> Motion | None:
    """What it is about, as far as that is known here. A roll may be the one that we would call ourselves."""
    if proposed.stakes:
        return batch_of(state, proposed.stakes, view, fetched.votes if fetched is not None else None)
    at = proposed.max_time - VALID_S
    attested = attest(view, at)
    if proposed.hands_over or (attested is not None and _is_record_of(attested, proposed, view, at)):
        return attested
    paid = None if proposed.enrols else payday(view, at)
    if paid is not None and _is_record_of(paid, proposed, view, at):
        return paid
    if not proposed.enrols:
        return shares_now(view)
    if fetched is not None:
        return roll_call(fetched.enrolled, view, at)
    return next((c for c in roll_calls(view, state.longest) if _is_record_of(c, proposed, view, at)), None)


def _is_record_of(motion: Motion, proposed: Proposed, view: CommitteeView, at: int) -> bool:
    made = record_of(motion, on_turn(motion, view, at), view, at)
    return made is not None and view.cid(made) == proposed.cid


def cosigned(state: CommitteeState, said: Cosigned, view: CommitteeView) -> Step:
    signed = (*state.signed, said.proposed.hash)[-REMEMBERED:]
    state = replace(state, signed=signed).bidding(said.proposed.fee, view.sequence, view.head.closed_at)
    return state, [SaySignature(said.proposed.hash)]


# --- what is rebuilt, for the speaker's own draft too


def is_ripe(review: Review, votes: Sequence[Vote], served: records.ServedTerms, now: int, view: CommitteeView) -> bool:
    on = view.rolls.get(review.id)
    return records.ripe(review, votes, served.round, now, on.roll.drawn_at if on is not None else 0)


def shares_now(view: CommitteeView) -> Motion | None:
    return share_out(view.sharing, view) if view.sharing is not None else None


def batch_of(
    state: CommitteeState, stakes: Sequence[StakeId], view: CommitteeView, votes: Sequence[Vote] | None = None
) -> Batch | None:
    """Entries as they are known here, with the votes that are held, or with these. None unless all are judged here, of
    one round and on one roll."""
    own = [view.own[stake] for stake in stakes if stake in view.own]
    rolls = {(vote.round, vote.roll) for _, vote in own}
    if len(own) < len(stakes) or len(rolls) != 1:
        return None
    ((round_, roll),) = rolls
    if round_ not in view.rounds:
        return None
    cast = state.votes if votes is None else _by_entry(votes, view)
    cases = tuple((r, tuple(vote for _, vote in sorted(cast.get(r.id, {}).items()))) for r, _ in own)
    return Batch("", view.rounds[round_], cases, roll)


def _by_entry(votes: Sequence[Vote], view: CommitteeView) -> Mapping[StakeId, Mapping[AccountId, Vote]]:
    """Those that are about entries as they are known here."""
    found = defaultdict[StakeId, dict[AccountId, Vote]](dict)
    for vote in votes:
        if is_about(vote, view) and vote.validator in view.rounds[vote.round].round.committee:
            found[vote.entry][vote.validator] = vote
    return found


def record_of(motion: Motion, by: AccountId, view: CommitteeView, at: int) -> SettlementRecord | None:
    now = view.head.closed_at + LATE_S
    if any(not is_ripe(review, votes, motion.served, now, view) for review, votes in cases_of(motion)):
        return None
    try:
        return drawn_up(motion, by, view, at)
    except Malformed:
        return None
