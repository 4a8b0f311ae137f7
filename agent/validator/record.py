"""The settlement record and its transaction: made by one function, so that a validator signs only what it would have
built itself (PROTOCOL section 6)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stellar_sdk import ManageSellOffer

from agent.content.importer import root
from agent.core.cid import Cid
from agent.core.documents import Round, Settled, SettlementRecord, Vote
from agent.core.ledger import Account, Offer
from agent.core.money import Stroops, stroops
from agent.core.review import Review
from agent.core.verdict import merge, same_figure
from agent.errors import Malformed
from agent.ledger.envelope import Opened, build
from agent.market import bundle, settlement, sharing
from agent.market.publish import ISSUED
from agent.ports import ContentStore
from agent.validator.chain import Link
from agent.validator.rounds import Served

FEE: Stroops = 1000
"""Bid per operation of a settlement: the same for every validator, so that all build the same transaction."""
VALID_S = 240

Case = tuple[Review, Sequence[Vote]]
"""An entry and the votes on it that are held here."""


def ripe(review: Review, votes: Sequence[Vote], round_: Round, now: int) -> bool:
    """Whether an entry can be settled: all voted, or enough did and the others had a turn's time to."""
    if in_doubt(votes) or merge(votes, len(round_.committee)) is None:
        return False
    waited = now - int(review.facts["entered_at"])
    return len(votes) == len(round_.committee) or waited > round_.turn


def in_doubt(votes: Sequence[Vote]) -> bool:
    """Whether validators measured different figures on the same global set: then somebody must look into it."""
    return not same_figure([None if v.figure is None else float(v.figure) for v in votes])


def record(
    link: Link, served: Served, speaker: str, cases: Sequence[Case], unpayable: Callable[[Review], str]
) -> SettlementRecord:
    """The record that these votes make, of at most MAX_ENTRIES. One entry of a vehicle at a time: that its trustlines
    have room was seen for one. `unpayable`: why the vehicle cannot be paid, or ''."""
    counts = {validator: link.agreements.get(validator, 0) for validator in served.round.committee}
    settled: list[Settled] = []
    votes: list[Vote] = []
    for review, cast in cases:
        if len(settled) == settlement.MAX_ENTRIES:
            break
        if any(review.facts["vehicle"] == other.vehicle for other in settled):
            continue
        settled.append(_settled(review, cast, served.round, unpayable(review)))
        votes.extend(cast)
        for vote in cast:
            counts[vote.validator] += vote.outcome == settled[-1].outcome
    purse = sharing.begun(link.purse, served.newest)
    forfeited = purse.forfeited + sum(entry.stake for entry in settled if entry.outcome == "rejected")
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        entries=tuple(settled),
        votes=tuple(votes),
        agreements=counts,
        purse=purse.model_copy(update={"forfeited": forfeited}),
        speaker=speaker,
    )


def shared(
    link: Link,
    served: Served,
    speaker: str,
    credits: Mapping[str, Stroops],
    receives: Callable[[str, Stroops], bool],
) -> SettlementRecord | None:
    """The record of the next shares that a round's publication gives out; None when none of them can be paid. Who
    cannot take a share is passed over: it stays forfeited, for the next sharing."""
    purse = sharing.begun(link.purse, served.newest)
    due = sharing.shares(purse.pot, credits)[purse.done :][: sharing.MAX_SHARES]
    paid = tuple(share for share in due if receives(share.vehicle, share.amount))
    if not paid:
        return None
    left = purse.forfeited - sum(share.amount for share in paid)
    return SettlementRecord(
        index=link.index + 1,
        previous=link.cid,
        round=served.cid,
        shares=paid,
        agreements={validator: link.agreements.get(validator, 0) for validator in served.round.committee},
        purse=purse.model_copy(update={"forfeited": left, "done": purse.done + len(due)}),
        speaker=speaker,
    )


def _settled(review: Review, votes: Sequence[Vote], round_: Round, unpayable: str) -> Settled:
    """The merged verdict; who cannot be paid is turned down: one payment that fails would fail everybody's."""
    verdict, facts = merge(votes, len(round_.committee)), review.facts
    if verdict is None:  # a proposal from elsewhere may hold too few votes
        raise Malformed(what="a settlement record", why=f"the votes on {review.id[:12]} decide nothing")
    outcome, credit, reason = verdict.outcome, verdict.credit, verdict.reason
    if outcome != "rejected" and unpayable:
        outcome, credit, reason = "rejected", 0, unpayable
    return Settled(
        entry=review.id,
        transaction=facts["transaction"],
        vehicle=facts["vehicle"],
        contribution=facts["contribution"],
        outcome=outcome,
        reason=reason,
        credit=credit,
        stake=facts["stake"],
        fee=0 if outcome == "rejected" else min(round_.stake.fee, facts["stake"]),
    )


def record_cid(made: SettlementRecord) -> Cid:
    """The CID of the record's bundle, computed here."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return root(_laid(made, scratch))


def pin(made: SettlementRecord, store: ContentStore) -> Cid:
    """Keep the record where others can fetch it. Twice is harmless: the same bytes have the same CID."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return store.put(_laid(made, scratch))


def _laid(made: SettlementRecord, scratch: str) -> Path:
    return bundle.lay(Path(scratch) / "record", {bundle.RECORD: made.to_bytes()})


def envelope(
    made: SettlementRecord,
    cid: Cid,
    round_: Round,
    account: Account,
    offers: list[Offer],
    passphrase: str,
    max_time: int,
    topped_up: Stroops | None = None,
) -> str:
    """The unsigned transaction (base64 XDR). `topped_up`: the standing offer's amount as proposed by another."""
    standing = settlement.standing(round_, account, offers, ISSUED)
    operations = settlement.operations(made, round_, standing)
    if topped_up is not None and isinstance(operations[-1], ManageSellOffer):
        # Vehicles redeem all the time, so two validators may see different amounts unredeemed. More than is needed
        # does no harm: nobody has VLM but those who were paid it. Less would leave somebody unpaid.
        needed = stroops(operations[-1].amount)
        if needed <= topped_up <= ISSUED:
            operations = settlement.operations(
                made, round_, settlement.Standing(standing.offer_id, standing.unredeemed + topped_up - needed)
            )
    return build(
        account.id,
        account.sequence,
        operations,
        passphrase=passphrase,
        fee=FEE,
        max_time=max_time,
        memo=cid.digest,
    ).to_xdr()


def topped_up(proposed: Opened) -> Stroops | None:
    """The standing offer's amount in a proposed transaction. Raises Malformed."""
    last = proposed.operations[-1] if proposed.operations else None
    return stroops(last.amount) if isinstance(last, ManageSellOffer) else None
