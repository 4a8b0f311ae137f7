"""The settlement record that votes make (PROTOCOL section 6). Speaker and cosigners go through this one function, so
that they come to the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.core import pay, wages
from agent.core import purse as purses
from agent.core.documents import Purse, Roll, SettledEntry, SettlementRecord, Vote, Wages
from agent.core.ids import AccountId, CidText
from agent.core.jobs.review import Review
from agent.core.ledger import Account
from agent.core.money import Stroops
from agent.core.pay import Till
from agent.core.round import Round
from agent.core.verdict import merge, of_one_figure, threshold
from agent.errors import Malformed

MAX_ENTRIES = 31
"""An accepted entry takes three operations, the top-up one, the pledge three and the record's digest one: 98 of a
transaction's 100."""

Case = tuple[Review, Sequence[Vote]]
"""An entry and the votes on it."""
Hindered = Callable[[Review, Stroops], "Hindrance | None"]
"""What hinders that an entry is given its stake back and this credit."""


class ServedTerms(Protocol):
    """A round that is settled, and the number of its model's newest one."""

    @property
    def cid(self) -> CidText: ...
    @property
    def round(self) -> Round: ...
    @property
    def newest(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The end of the chain: where the next record goes on. Index -1: there is none yet."""

    index: int = -1
    cid: CidText | None = None
    agreements: Mapping[AccountId, int] = field(default_factory=dict)
    purse: Purse = field(default_factory=Purse)
    attested: CidText | None = None
    wages: Wages | None = None


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a vehicle cannot be given what its entry has earned, and what the entry gets instead: `rejected` where that
    is the vehicle's own doing, `idle` where the issuer of VLM took its line away, `waits` where the stake itself could
    not be given back. One payment that fails would fail everybody's."""

    outcome: Literal["rejected", "idle", "waits"]
    reason: str


def hindrance(vehicle: Account | None, round_: Round, stake: Stroops, credit: Stroops) -> Hindrance | None:
    """What the vehicle's trustlines hinder now, of giving back the stake and paying the credit."""
    lines = {} if vehicle is None else vehicle.lines
    dlc, vlm = lines.get(round_.stake_asset), lines.get(round_.credit_asset)
    if dlc is not None and not dlc.authorized:
        return Hindrance("waits", "the operator does not let the vehicle hold DLC")
    if vlm is not None and not vlm.authorized:
        return Hindrance("idle", "the issuer of VLM took the vehicle's trustline away")
    if dlc is None or vlm is None or dlc.room < stake or vlm.room < credit:
        return Hindrance("rejected", "the vehicle has no trustline with room for its pay")
    return None


def ripe(review: Review, votes: Sequence[Vote], round_: Round, now: int, drawn_at: int = 0) -> bool:
    """Whether an entry can be settled: all voted, or enough did and the others had a turn's time to, since it was
    entered or put on its roll."""
    if merge(votes, len(round_.committee)) is None:
        return False
    waited = now - max(review.entry.entered_at, drawn_at)
    return len(votes) == len(round_.committee) or waited > round_.turn


def record(
    link: ChainEnd,
    served: ServedTerms,
    speaker: AccountId,
    cases: Sequence[Case],
    hindered: Hindered,
    roll: CidText | None = None,
    till: Till | None = None,
) -> SettlementRecord:
    """The record that these votes make, of at most MAX_ENTRIES, all on `roll`. One entry of a vehicle at a time: that
    its trustlines have room was seen for one. `till`: what the round's pledge can pay; an entry that waits for another
    balance of it is left out. Raises Malformed when the votes decide nothing."""
    counts = {validator: link.agreements.get(validator, 0) for validator in served.round.committee}
    chosen = dict[str, Case]()
    for review, cast in cases:
        if len(chosen) < MAX_ENTRIES:
            chosen.setdefault(review.entry.vehicle, (review, cast))
    entries = dict[str, SettledEntry]()
    for review, cast in sorted(chosen.values(), key=lambda case: (case[0].entry.ledger, case[0].id)):
        paid = _paid(_settled(review, cast, served.round, hindered), review, served.round, till)
        if paid is not None:
            entries[review.id] = paid
    settled: list[SettledEntry] = []
    votes: list[Vote] = []
    earnings: list[dict[AccountId, Stroops]] = []
    for review, cast in chosen.values():
        if review.id not in entries:
            continue
        settled.append(entries[review.id])
        votes.extend(cast)
        earnings.append(wages.earned(settled[-1], cast))
        for vote in of_one_figure(cast):
            counts[vote.validator] += vote.outcome == settled[-1].outcome
    purse = purses.begun(link.purse, served.newest)
    forfeited = purse.forfeited + sum(entry.stake for entry in settled if entry.outcome == "rejected")
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        entries=tuple(settled),
        roll=roll,
        votes=tuple(votes),
        attested=link.attested,
        wages=wages.owed(link.wages, earnings, served.newest),
        agreements=counts,
        purse=purse.model_copy(update={"forfeited": forfeited}),
        speaker=speaker,
    )


def enrolling(link: ChainEnd, served: ServedTerms, speaker: AccountId, roll: Roll) -> SettlementRecord:
    """The record that puts entries on a roll."""
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        enrols=roll,
        attested=link.attested,
        wages=link.wages,
        agreements={validator: link.agreements.get(validator, 0) for validator in served.round.committee},
        purse=purses.begun(link.purse, served.newest),
        speaker=speaker,
    )


def attesting(link: ChainEnd, attested: ServedTerms, speaker: AccountId) -> SettlementRecord:
    """The record that says of a round that it is what its lineage says, and hands over to its committee."""
    round_ = attested.round
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=attested.cid,
        committee=round_.committee,
        attested=attested.cid,
        wages=link.wages,
        agreements={validator: link.agreements.get(validator, 0) for validator in round_.committee},
        purse=purses.begun(link.purse, attested.newest),
        speaker=speaker,
    )


def paying(
    link: ChainEnd, served: ServedTerms, speaker: AccountId, receives: Callable[[AccountId, Stroops], bool]
) -> SettlementRecord | None:
    """The record that pays what validators have earned; None when none of them can be paid. What nobody can take goes
    to vehicles, with what was forfeited."""
    paid = wages.payable(link.wages, receives)
    if not paid or link.wages is None:
        return None
    purse = purses.begun(link.purse, served.newest)
    left = sum(link.wages.due.values()) - sum(wage.amount for wage in paid)
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        paid=paid,
        attested=link.attested,
        agreements={validator: link.agreements.get(validator, 0) for validator in served.round.committee},
        purse=purse.model_copy(update={"forfeited": purse.forfeited + left}),
        speaker=speaker,
    )


def shared(
    link: ChainEnd,
    served: ServedTerms,
    speaker: AccountId,
    credits: Mapping[AccountId, Stroops],
    receives: Callable[[AccountId, Stroops], bool],
) -> SettlementRecord | None:
    """The record of the next shares that a round's publication gives out; None when none of them can be paid. Who
    cannot take a share is passed over: it stays forfeited, for the next sharing."""
    purse = purses.begun(link.purse, served.newest)
    due = purses.shares(purse.pot, credits, served.round.stake.base)[purse.done :][: purses.MAX_SHARES]
    paid = tuple(share for share in due if receives(share.vehicle, share.amount))
    if not paid:
        return None
    left = purse.forfeited - sum(share.amount for share in paid)
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        shares=paid,
        attested=link.attested,
        wages=link.wages,
        agreements={validator: link.agreements.get(validator, 0) for validator in served.round.committee},
        purse=purse.model_copy(update={"forfeited": left, "done": purse.done + len(due)}),
        speaker=speaker,
    )


def _settled(review: Review, votes: Sequence[Vote], round_: Round, look: Hindered) -> SettledEntry:
    """The merged verdict, and what of it can be paid."""
    verdict, found = merge(votes, len(round_.committee)), review.entry
    if verdict is None:  # a proposal from elsewhere may hold too few votes
        raise Malformed(what="a settlement record", why=f"the votes on {review.id[:12]} decide nothing")
    outcome, credit, reason = verdict.outcome, verdict.credit, verdict.reason
    voices = sum(bool(vote.fused) for vote in of_one_figure(votes))
    is_fused = outcome != "rejected" and voices >= threshold(len(round_.committee))
    hindered = look(review, credit)
    if hindered is not None and outcome != "rejected":
        if hindered.outcome == "waits":
            raise Malformed(what="a settlement record", why=f"{review.id[:12]} must wait: {hindered.reason}")
        if (outcome, hindered.outcome) != ("idle", "idle"):
            outcome, credit, reason = hindered.outcome, 0, hindered.reason
    return SettledEntry(
        entry=review.id,
        transaction=found.transaction,
        vehicle=found.vehicle,
        contribution=found.contribution,
        outcome=outcome,
        reason=reason,
        credit=credit,
        fused=True if is_fused and outcome != "rejected" else None,
        stake=found.stake,
        fee=0 if outcome == "rejected" else min(round_.stake.fee, found.stake),
    )


def _paid(settled: SettledEntry, review: Review, round_: Round, till: Till | None) -> SettledEntry | None:
    """As the round's pledge can pay it: who gets nothing because nothing is left has the whole stake back, and no
    voice. None: it waits for another settlement."""
    why: str | Literal[True] = True
    if pay.is_late(round_.pledge, review.entry.entered_at, round_.review_window):
        why = pay.LATE
    elif till is not None and settled.outcome == "accepted":
        why = till.pay(settled.credit)
    if why is True or settled.outcome == "rejected":
        return settled
    unpaid = {"outcome": "idle", "credit": 0, "fused": None, "fee": 0, "reason": why}
    return settled.model_copy(update=unpaid) if why else None
