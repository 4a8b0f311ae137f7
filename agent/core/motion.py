"""What a speaker may put forward, and whose turn it is. Speaker and cosigners go through the same few functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, starmap
from typing import Protocol

from agent.core import purse as purses
from agent.core import record as records
from agent.core import speaker
from agent.core.agenda import VALID_S
from agent.core.documents import Roll, SettlementRecord, Vote
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.review import Review
from agent.core.ledger import Head
from agent.core.money import Stroops
from agent.core.pay import Locked, Till
from agent.core.record import ChainEnd, Hindrance, ServedTerms
from agent.core.roll import Anchored, Ready, groups, is_due, is_whole
from agent.core.round import Round


@dataclass(frozen=True, slots=True)
class Sharing:
    """A published round, and what it was fused from."""

    served: ServedTerms
    ledger: int
    """It is open after that one."""
    credits: Mapping[AccountId, Stroops]


class CommitteeView(Protocol):
    """What there is to be seen, the same from the beginning of a step to its end. Reading may raise; then the step has
    not been taken."""

    @property
    def head(self) -> Head: ...
    @property
    def sequence(self) -> int:
        """The settlement account's."""

    @property
    def free(self) -> Stroops:
        """XLM that the settlement account can spend."""

    @property
    def link(self) -> ChainEnd: ...
    @property
    def own(self) -> Mapping[StakeId, tuple[Review, Vote]]:
        """Entry → our verdict and our signed vote, for each open one that is judged here. It names the roll that the
        entry is on."""

    @property
    def ready(self) -> Sequence[Ready]:
        """Open entries that are admitted here, and that no earlier one which is still unknown here holds up."""

    @property
    def rolls(self) -> Mapping[StakeId, Anchored]:
        """Entry → the roll that it is on."""

    @property
    def rounds(self) -> Mapping[CidText, ServedTerms]: ...
    @property
    def newest(self) -> ServedTerms | None:
        """Of the rounds that are served."""

    @property
    def incoming(self) -> ServedTerms | None:
        """The round after that, where it is to be handed over to: it was rebuilt, and its committee is another."""

    @property
    def oldest(self) -> int | None:
        """The ledger of the oldest entry that is open here."""

    @property
    def sharing(self) -> Sharing | None:
        """The newest round's, if there is one and it can be looked up now."""

    def hindered(self, review: Review, credit: Stroops) -> Hindrance | None:
        """Of giving back the stake and paying this credit."""

    def locked(self, round_: Round) -> Locked:
        """Of a round that has a pledge, what is there of it."""

    def is_troubled(self, entry: StakeId) -> bool:
        """Whether a settlement has failed by this entry."""

    def receives(self, vehicle: AccountId, amount: Stroops) -> bool:
        """Whether a share can be paid."""

    def takes(self, validator: AccountId, amount: Stroops) -> bool:
        """Whether a wage can be paid."""

    def cid(self, record: SettlementRecord) -> CidText:
        """What its transaction's memo must name."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one round, and on one roll, that are to be settled together. Not empty."""

    name: str
    served: ServedTerms
    cases: tuple[records.Case, ...]
    roll: CidText | None = None


@dataclass(frozen=True, slots=True)
class ShareOut:
    """Forfeited stakes that are to be shared among those whose contributions made a round."""

    name: str
    served: ServedTerms
    sharing: Sharing


@dataclass(frozen=True, slots=True)
class RollCall:
    """Entries that are to be put on a roll, in the order of the ledger. Not empty."""

    name: str
    served: ServedTerms
    entries: tuple[Ready, ...]


@dataclass(frozen=True, slots=True)
class Attest:
    """A round that was rebuilt, and is what its lineage says. Where it names another committee, that takes over."""

    name: str
    served: ServedTerms
    """The newest round of the committee that says so."""
    attested: ServedTerms


@dataclass(frozen=True, slots=True)
class Payday:
    """Fees that validators have earned."""

    name: str
    served: ServedTerms


Motion = Batch | ShareOut | RollCall | Attest | Payday
"""What a speaker may put forward."""


def share_out(sharing: Sharing, view: CommitteeView) -> ShareOut | None:
    """What the publication of a round leaves to be shared, if anything."""
    purse = purses.begun(view.link.purse, sharing.served.newest)
    due = purses.shares(purse.pot, sharing.credits, sharing.served.round.stake.base)
    name = f"shares of {sharing.served.cid}"
    return ShareOut(name, sharing.served, sharing) if purse.done < len(due) else None


def roll_calls(view: CommitteeView, longest: int) -> list[RollCall]:
    """The rolls that are due now, with at most `longest` entries each."""
    found = list[RollCall]()
    for group, ready in groups(_unrolled(view)).items():
        served = view.rounds.get(group[0])
        if served is not None:
            chosen = tuple(ready[: min(served.round.most, longest)])
            if is_due(chosen, served.round, view.head.closed_at):
                found.append(RollCall(f"roll of {' '.join(group)}", served, chosen))
    return found


def roll_call(entries: Sequence[StakeId], view: CommitteeView, at: int) -> RollCall | None:
    """These as a roll that was drawn up then; None unless all are ready here, belong together, are due, and leave out
    nothing that must be among them."""
    ready = {one.id: one for one in _unrolled(view)}
    chosen = tuple(ready[entry] for entry in entries if entry in ready)
    if len(chosen) < len(entries) or len({one.group for one in chosen}) != 1:
        return None
    served = view.rounds.get(chosen[0].group[0])
    if served is None or len(chosen) > served.round.most:
        return None
    is_in_order = all(one.place < other.place for one, other in pairwise(chosen))
    is_fair = is_due(chosen, served.round, at) and is_whole(chosen, ready.values(), served.round, at)
    return RollCall("", served, chosen) if is_in_order and is_fair else None


def _unrolled(view: CommitteeView) -> list[Ready]:
    return [one for one in view.ready if one.id not in view.rolls]


def payday(view: CommitteeView, at: int) -> Payday | None:
    """What validators have earned is paid once a round was published since, or the newest one's length and a review
    window are over."""
    newest = view.newest
    owed = view.link.wages if newest is not None else None
    if newest is None or owed is None:
        return None
    round_ = newest.round
    is_over = at >= round_.published_at + round_.length + round_.review_window
    if not is_over and newest.newest <= owed.round:
        return None
    return Payday(f"wages until {newest.cid}", newest) if any(starmap(view.takes, owed.due.items())) else None


def attest(view: CommitteeView, at: int) -> Attest | None:
    """What there is to be attested at a ledger time. A committee hands over when what was entered before the round
    opened is over, and after a review window whatever is left: then it goes back to who staked it. A first round says
    nothing that could be rebuilt."""
    newest, incoming = view.newest, view.incoming
    if newest is None:
        return None
    if incoming is not None:
        is_left = view.oldest is not None and view.oldest <= incoming.round.ledger
        if is_left and at < incoming.round.published_at + newest.round.review_window:
            return None
        return Attest(f"handing over to {incoming.cid}", newest, incoming)
    if newest.round.previous is None or view.link.attested == newest.cid:
        return None
    return Attest(f"attesting {newest.cid}", newest, newest)


def on_turn(motion: Motion, view: CommitteeView, at: int) -> AccountId:
    """Who puts this forward at a ledger time."""
    round_ = motion.served.round
    return speaker.on_turn(round_.committee, view.link.agreements, round_.settlement, at, round_.turn)


def payable(motion: Motion, view: CommitteeView) -> Motion | None:
    """What of it can be in one record: what waits for somebody's trustline cannot, nor can a vehicle's second entry."""
    if not isinstance(motion, Batch):
        return motion
    cases = dict[AccountId, records.Case]()
    for review, votes in motion.cases:
        hindered = view.hindered(review, 0)
        if hindered is None or hindered.outcome != "waits":
            cases.setdefault(review.entry.vehicle, (review, votes))
    return replace(motion, cases=tuple(cases.values())) if cases else None


def drawn_up(motion: Motion, by: AccountId, view: CommitteeView, at: int) -> SettlementRecord | None:
    """On top of the chain, at a ledger time; None when nobody is left who can be paid a share. Raises Malformed when
    the votes do not decide every entry."""
    made = _drawn_up(motion, by, view, at)
    if made is None or isinstance(motion, Attest) or view.newest is None:
        return made
    return made.model_copy(update={"attested": view.newest.cid})


def _drawn_up(motion: Motion, by: AccountId, view: CommitteeView, at: int) -> SettlementRecord | None:
    if isinstance(motion, Attest):
        return records.attesting(view.link, motion.attested, by)
    if isinstance(motion, Payday):
        return records.paying(view.link, motion.served, by, view.takes)
    if isinstance(motion, Batch):
        round_ = motion.served.round
        till = Till(round_.pledge, view.locked(round_), at + VALID_S) if round_.pledge is not None else None
        return records.record(view.link, motion.served, by, motion.cases, view.hindered, motion.roll, till)
    if isinstance(motion, RollCall):
        roll = Roll(entries=tuple(one.entry for one in motion.entries), drawn_at=at)
        return records.enrolling(view.link, motion.served, by, roll)
    return records.shared(view.link, motion.served, by, motion.sharing.credits, view.receives)


def cases_of(motion: Motion | None) -> tuple[records.Case, ...]:
    return motion.cases if isinstance(motion, Batch) else ()
