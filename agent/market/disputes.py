"""What can be said of a dispute from ledger and content store alone, by whoever asks and by the arbiter that is asked
(PROTOCOL, "Disputes"). Both look with these functions: nobody pays for a dispute that the arbiter would dismiss.

An arbiter rules on what nobody judged. Such a stake was put down for the round's committee, stood for its review
window, and its vehicle has it back: no settlement can pay for the entry any more, and nothing is paid twice.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stellar_sdk import ClaimPredicate, CreateClaimableBalance, Payment
from stellar_sdk.operation import Operation
from stellar_sdk.operation.create_claimable_balance import ClaimPredicateType

from agent.content.importer import root
from agent.core import pay
from agent.core.cid import Cid
from agent.core.dispute import Dispute, Ruling
from agent.core.documents import Vote
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.ledger import Action, Transaction
from agent.core.money import XLM, Stroops, text
from agent.core.round import Round
from agent.errors import Refused, Unavailable
from agent.ledger.envelope import Opened, balance_id, opened, own_amount, own_asset, sdk_asset
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.ledger.keys import has_signed
from agent.market import bundle, records, settlement
from agent.market.bundle import Shelf
from agent.market.listing import following, publication
from agent.market.strikes import CLAIM, CLAWBACK
from agent.ports import ContentStore

AT_ONCE = ClaimPredicateType.CLAIM_PREDICATE_UNCONDITIONAL
BEFORE = ClaimPredicateType.CLAIM_PREDICATE_BEFORE_ABSOLUTE_TIME


class NotDisputable(Refused):
    """The entry {entry} cannot be disputed: {why}"""


class StillStands(NotDisputable):
    """The entry {entry} cannot be disputed yet: its stake stands, and the committee may still judge it. Once the review
    window is over and the vehicle has its stake back, ask again."""


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry that was never judged."""

    vehicle: AccountId
    contribution: CidText
    ledger: int


# --- documents


def pin(document: Dispute | Ruling, store: ContentStore) -> Cid:
    """Keep it where others can fetch it. Twice is harmless: the same bytes have the same CID."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return store.put(_laid(scratch, document))


def cid_of(document: Dispute | Ruling) -> Cid:
    """The CID of its bundle, computed here."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return root(_laid(scratch, document))


def _laid(scratch: str, document: Dispute | Ruling) -> Path:
    name = bundle.DISPUTE if isinstance(document, Dispute) else bundle.RULING
    return bundle.lay(Path(scratch) / "document", {name: document.to_bytes()})


def asking(round_: Round) -> list[Operation]:
    """The payment of the arbiter's fee."""
    assert round_.arbiter is not None  # noqa: S101
    return [Payment(round_.arbiter.account, sdk_asset(XLM), text(round_.arbiter.fee))]


def paid(envelope: Opened, arbiter: AccountId) -> Stroops:
    """XLM that the source of a transaction pays to an arbiter."""
    return sum(
        own_amount(each.amount)
        for each in envelope.operations
        if isinstance(each, Payment)
        and each.destination.account_id == arbiter
        and own_asset(each.asset) == XLM
        and (each.source is None or each.source.account_id == envelope.source)
    )


# --- what is disputed


def entry_of(horizon: Horizon, shelf: Shelf, round_: Round, dispute: Dispute, arbiter: AccountId) -> Entered:
    """The entry that a dispute is about, if its arbiter may rule on it. Raises Refused, Unavailable."""
    history, stake = horizon.archive or horizon, dispute.entry
    if round_.pledge is None or round_.arbiter is None:
        raise NotDisputable(entry=stake, why="its round has no arbiter")
    if round_.arbiter.account != arbiter:
        raise NotDisputable(entry=stake, why=f"its round's arbiter is {round_.arbiter.account}")
    made = next(iter(history.touching(stake)), None)
    if made is None:
        history.remembers(round_.ledger)
        raise NotDisputable(entry=stake, why="the ledger knows of no such stake")
    envelope = opened(made.envelope, history.passphrase)
    vehicle = AccountId(envelope.source)
    if dispute.by != (wanted := vehicle if dispute.kind == "settle" else round_.initiator):
        raise NotDisputable(entry=stake, why=f"a {dispute.kind} is for {wanted} to ask for")
    if envelope.memo is None or not _is_entry(envelope, made, stake, round_):
        raise NotDisputable(entry=stake, why="it was not put down as an entry, for its round's committee to judge")
    if why := _untimely(horizon, history, shelf, round_, dispute.round, made):
        raise NotDisputable(entry=stake, why=why)
    contribution = Cid.v0(envelope.memo).text
    _check_never_judged(horizon, history, round_, stake, vehicle)
    if by := _paid_by(horizon, history, shelf, round_, vehicle, contribution):
        raise NotDisputable(entry=stake, why=f"its contribution was paid with another entry, by {by}")
    _check_votes(dispute, round_, contribution)
    document = shelf.contribution(contribution)
    if (document.base, document.vehicle, document.model) != (dispute.round, vehicle, round_.model):
        raise NotDisputable(entry=stake, why="its contribution is another vehicle's, or was trained on another round")
    if arbiter not in document.keys:
        raise NotDisputable(entry=stake, why="its update is not sealed to the arbiter, who could not look at it")
    return Entered(vehicle, contribution, made.ledger)


def _untimely(horizon: Horizon, history: Horizon, shelf: Shelf, round_: Round, cid: CidText, made: Transaction) -> str:
    """Why the round was not one that the entry could be for, as a sentence, or ''. Raises Unavailable."""
    later: list[Round] | None = None
    with suppress(Refused, Unavailable):  # a round after it that nobody has: history may still tell
        later = following(horizon, shelf, round_, cid)
    if later is None and publication(history, round_, cid) is None:
        return f"its initiator never published the round {cid}"
    newest = next((each for each in later or () if each.ledger < made.ledger), round_)
    if newest.number - round_.number > newest.staleness:
        return f"round {newest.number} was open by then, and took no entries for round {round_.number}"
    late = pay.is_late(round_.pledge, made.closed_at, round_.review_window)
    return pay.LATE if late else ""


def _is_entry(envelope: Opened, made: Transaction, stake: StakeId, round_: Round) -> bool:
    """Whether the transaction puts down this stake as an entry's: its committee's at once, and its vehicle's no earlier
    than half the review window later (PROTOCOL, "Review")."""
    for index, each in enumerate(envelope.operations):
        if isinstance(each, CreateClaimableBalance) and balance_id(envelope.source, envelope.sequence, index) == stake:
            predicates = {claimant.destination: claimant.predicate for claimant in each.claimants}
            return (
                (each.source is None or each.source.account_id == envelope.source)
                and own_asset(each.asset) == round_.stake_asset
                and own_amount(each.amount) >= round_.stake.base
                and predicates.keys() == {round_.settlement, envelope.source}
                and predicates[round_.settlement].claim_predicate_type is AT_ONCE
                and _not_before(predicates[envelope.source]) >= made.closed_at + round_.review_window // 2
            )
    return False


def _not_before(predicate: ClaimPredicate) -> int:
    """0 where it says anything else."""
    inner = predicate.not_predicate
    is_moment = inner is not None and inner.claim_predicate_type is BEFORE
    return (inner.abs_before or 0) if inner is not None and is_moment else 0


def _check_never_judged(horizon: Horizon, history: Horizon, round_: Round, stake: StakeId, vehicle: AccountId) -> None:
    """Raises NotDisputable, StillStands, Unavailable."""
    if horizon.stake(stake) is not None:
        raise StillStands(entry=stake)
    gone: Action | None = next((a for a in history.actions_on(stake) if a.kind in (CLAIM, CLAWBACK)), None)
    if gone is None:
        raise LedgerUnavailable(url=history.shown, why=f"does not say what became of the stake {stake}")
    if (gone.kind, gone.source) == (CLAIM, vehicle):
        return
    why = f"its stake was clawed back in transaction {gone.transaction}"
    if gone.source == round_.settlement:
        why = f"the committee judged it in transaction {gone.transaction}, and an arbiter rules on what nobody judged"
    raise NotDisputable(entry=stake, why=why)


def _paid_by(
    horizon: Horizon, history: Horizon, shelf: Shelf, round_: Round, vehicle: AccountId, contribution: CidText
) -> str:
    """The record or the settlement that has paid its vehicle for the same work, entered another time, or ''. By the
    chain of records; a committee that is dead may have left none to be had: then by the vehicle's history. Raises
    Unavailable."""
    account = horizon.account(round_.settlement)
    with suppress(Unavailable):
        for cid, record in records.chain(shelf, records.newest(account) if account else None):
            if any(each.contribution == contribution and each.outcome == "accepted" for each in record.entries):
                return cid
        return ""
    for made in history.history(vehicle, newest_first=True, since=round_.ledger):
        envelope = opened(made.envelope, history.passphrase) if made.source == vehicle else None
        if envelope is None or envelope.memo != Cid.parse(contribution).digest:
            continue
        for index, each in enumerate(envelope.operations):
            if isinstance(each, CreateClaimableBalance):
                other = balance_id(envelope.source, envelope.sequence, index)
                found = settlement.settling(history, other, round_.settlement)
                if found is not None and found.settled.outcome == "accepted":
                    return found.transaction.hash
    return ""


def _check_votes(dispute: Dispute, round_: Round, contribution: CidText) -> None:
    """Raises NotDisputable."""
    members = [vote.validator for vote in dispute.votes]
    about = (dispute.round, dispute.entry, contribution)
    if len(set(members)) < len(members):
        raise NotDisputable(entry=dispute.entry, why="it holds two votes of one validator")
    for vote in dispute.votes:
        if (vote.round, vote.entry, vote.contribution) != about:
            raise NotDisputable(entry=dispute.entry, why="it holds a vote on another entry")
        if vote.validator not in round_.committee or not is_signed(vote, vote.validator):
            raise NotDisputable(entry=dispute.entry, why="it holds a vote that no member of the committee signed")


def is_signed(document: Vote | Ruling, by: AccountId) -> bool:
    """Whether an account's key signed the document less its signature."""
    unsigned = document.model_copy(update={"signature": ""}).to_bytes()
    return has_signed(by, unsigned, document.signature)
