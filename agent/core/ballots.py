"""The votes that a member of a committee holds: which count, and who says or measures something else than the others.

A vote counts for its own entry's own round, the roll that the entry is on, and that round's committee. Who says two
things is held to the first of them, and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.core.agenda import CommitteeState
from agent.core.documents import Vote
from agent.core.ids import AccountId, StakeId
from agent.core.motion import CommitteeView
from agent.core.moves import Action, SayVote
from agent.core.verdict import in_doubt, of_one_figure, threshold

REPEAT_S = 5
"""Ledger seconds after which what was said is said again."""
EARLY = 64
"""Votes of one validator that are kept until their entries are judged here; it repeats those that are lost."""


def pruned(state: CommitteeState, view: CommitteeView) -> CommitteeState:
    """What was about entries that are over is forgotten; what was heard early of those that are judged now is taken."""
    own = view.own
    state = replace(
        state,
        votes={entry: _left(votes, view) for entry, votes in state.votes.items() if entry in own},
        tried_at={entry: at for entry, at in state.tried_at.items() if entry in own},
    )
    for validator, votes in state.early.items():
        ready = [vote for entry, vote in votes.items() if entry in own]
        if ready:
            left = {entry: vote for entry, vote in votes.items() if entry not in own}
            state = replace(state, early={**state.early, validator: left})
        for vote in ready:
            state = taken(state, vote, view)
    return state


def spoken(state: CommitteeState, view: CommitteeView) -> tuple[CommitteeState, list[Action]]:
    now, said = view.head.closed_at, list[Action]()
    again = now >= state.spoken_at + REPEAT_S
    for entry, (_, vote) in view.own.items():
        if again or state.us not in state.votes.get(entry, {}):
            said.append(SayVote(vote))
        state = taken(state, vote, view)
    return (replace(state, spoken_at=now) if again else state), said


def taken(state: CommitteeState, vote: Vote, view: CommitteeView) -> CommitteeState:
    if vote.round not in view.rounds or vote.validator not in view.rounds[vote.round].round.committee:
        return state
    if vote.entry not in view.own:
        early = {**state.early.get(vote.validator, {}), vote.entry: vote}
        return replace(state, early={**state.early, vote.validator: dict([*early.items()][-EARLY:])})
    if not is_about(vote, view):
        return state
    held = _left(state.votes.get(vote.entry, {}), view)
    if vote.validator not in held:
        return replace(state, votes={**state.votes, vote.entry: {**held, vote.validator: vote}})
    if held[vote.validator] != vote:
        return replace(state, two_faced={**state.two_faced, vote.validator: vote.entry})
    return state


def is_about(vote: Vote, view: CommitteeView) -> bool:
    """Whether it is about the entry, the round and the roll that we know."""
    if vote.entry not in view.own:
        return False
    ours = view.own[vote.entry][1]
    return (vote.round, vote.contribution, vote.roll) == (ours.round, ours.contribution, ours.roll)


def _left(votes: Mapping[AccountId, Vote], view: CommitteeView) -> Mapping[AccountId, Vote]:
    """Without those that were cast before the entry was on its roll."""
    return {validator: vote for validator, vote in votes.items() if is_about(vote, view)}


def halted(state: CommitteeState, view: CommitteeView) -> list[StakeId]:
    """Entries that cannot be settled because the committee does not agree on what it measured."""
    return [entry for entry, votes in state.votes.items() if in_doubt([*votes.values()], _members(entry, view))]


def apart(state: CommitteeState, view: CommitteeView) -> dict[AccountId, StakeId]:
    """Validator → an entry of which it measured another figure than two thirds did."""
    found = dict[AccountId, StakeId]()
    for entry, votes in state.votes.items():
        agreed = {vote.validator for vote in of_one_figure([*votes.values()])}
        if len(agreed) >= threshold(_members(entry, view)):
            found |= {validator: entry for validator in votes if validator not in agreed}
    return found


def _members(entry: StakeId, view: CommitteeView) -> int:
    """How many are to vote on an entry that is judged here."""
    served = view.rounds.get(view.own[entry][1].round) if entry in view.own else None
    return len(served.round.committee) if served is not None else 0
