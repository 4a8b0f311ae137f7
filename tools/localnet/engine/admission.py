"""Whether a transaction may wait for the next ledger (RULES 10). Nothing changes here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stellar_sdk.xdr import TransactionResultCode

from .entries import MAX
from .envelope import Envelope
from .holdings import available_lumens
from .market import NOBODY, QUEUE_LEDGERS, Crowd, better_fee, rate
from .queue import Queue
from .results import outer_result
from .rules import TODAY, Rules
from .state import LedgerState
from .submission import error_of
from .validity import Moment, min_fee

Code = TransactionResultCode
Status = Literal["PENDING", "ERROR", "DUPLICATE", "TRY_AGAIN_LATER"]

EXPECTED_LEDGER_SECONDS = 5
"""How often the real network closes; a node refuses early what would expire within two ledgers."""
REPLACEMENT_FACTOR = 10
"""How much more per operation a fee bump must bid to take a waiting transaction's place."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`result` is the TransactionResult's XDR where the status is ERROR.

    evicted: who has to leave the queue for this one. outbid: refused for its bid alone; it is to be banned.
    """

    status: Status
    result: bytes | None = None
    evicted: tuple[Envelope, ...] = ()
    outbid: bool = False


TRY_AGAIN_LATER = Admission("TRY_AGAIN_LATER")


def admit(
    state: LedgerState, envelope: Envelope, now: int, queue: Queue, rules: Rules = TODAY, crowd: Crowd = NOBODY
) -> Admission:
    """Judge an envelope against the last closed ledger and what waits. `now` is in Unix seconds."""
    if queue.is_banned(envelope):
        return TRY_AGAIN_LATER
    waiting = queue.of(envelope.source)
    same = next((one for one in waiting if one.sequence == envelope.sequence), None)
    if waiting:
        answer = (_behind_one if rules.one_pending_per_account else _in_chain)(waiting, same, envelope)
        if answer is not None:
            return answer
    replaced = same if envelope.fee_bump is not None else None
    place = _place(state, envelope, queue, replaced, crowd)
    if place.status != "PENDING":
        return place
    sequence = _sequence_before(waiting, replaced)
    refused = error_of(state, envelope, _moment(state, now), rules, sequence)
    if refused is not None:
        return Admission("ERROR", refused)
    if not _affordable(state, envelope, queue, replaced):
        fee = min_fee(state.header, envelope.operations_charged)
        return Admission("ERROR", outer_result(fee, Code.txINSUFFICIENT_BALANCE))
    return place


def _place(state: LedgerState, envelope: Envelope, queue: Queue, replaced: Envelope | None, crowd: Crowd) -> Admission:
    """Whether there is room for this envelope to wait, and who has to go for it."""
    bid, least = rate(envelope), max(queue.evicted, Fraction(crowd.bid if crowd.at_the_door else 0))
    if least and bid <= least:
        return _outbid(least, envelope)
    size = len(envelope.transaction.operations)
    over = queue.operations + size - QUEUE_LEDGERS * state.header.max_tx_set_size
    over -= len(replaced.transaction.operations) if replaced else 0
    going: list[Envelope] = []
    for other in queue.cheapest() if over > 0 else ():
        if other is replaced or other.source == envelope.source:
            continue
        if over > 0 and rate(other) >= bid:
            return _outbid(rate(other), envelope)
        if over > 0:
            going.append(other)
            over -= len(other.transaction.operations)
    return TRY_AGAIN_LATER if over > 0 else Admission("PENDING", evicted=tuple(going))


def _outbid(by: Fraction, envelope: Envelope) -> Admission:
    return Admission("ERROR", outer_result(better_fee(by, envelope), Code.txINSUFFICIENT_FEE), outbid=True)


def _behind_one(waiting: list[Envelope], same: Envelope | None, envelope: Envelope) -> Admission | None:
    """Today's rule: while one transaction of an account waits, only a fee bump of it is looked at."""
    if same is not None and _is_same(same, envelope):
        return Admission("DUPLICATE")
    if envelope.sequence < waiting[0].sequence:
        return Admission("ERROR", outer_result(0, Code.txBAD_SEQ))
    if same is None or envelope.fee_bump is None:
        return TRY_AGAIN_LATER
    return _replacement(same, envelope)


def _in_chain(waiting: list[Envelope], same: Envelope | None, envelope: Envelope) -> Admission | None:
    """Protocol 19's rule: an account's transactions may wait in a row, and a fee bump may replace any."""
    if same is not None and _is_same(same, envelope):
        return Admission("DUPLICATE")
    if envelope.fee_bump is not None:
        if same is None and not _extends(waiting[-1], envelope):
            return Admission("ERROR", outer_result(0, Code.txBAD_SEQ))
        refused = None if same is None else _replacement(same, envelope)
        if refused is not None:
            return refused
    bounds = envelope.transaction.preconditions
    first = same is waiting[0] and envelope.fee_bump is not None
    if not first and (bounds.min_sequence_age or bounds.min_sequence_gap):
        return TRY_AGAIN_LATER
    return None


def _extends(last: Envelope, envelope: Envelope) -> bool:
    least = envelope.transaction.preconditions.min_sequence
    if envelope.sequence < last.sequence:
        return False
    return envelope.sequence == last.sequence + 1 if least is None else least <= last.sequence


def _replacement(replaced: Envelope, envelope: Envelope) -> Admission | None:
    needed = replacement_fee(replaced, envelope)
    if envelope.fee_bid < needed:
        return Admission("ERROR", outer_result(needed, Code.txINSUFFICIENT_FEE))
    return None


def _sequence_before(waiting: list[Envelope], replaced: Envelope | None) -> int | None:
    """The number that an envelope goes on from; None where its source's account says it."""
    before = waiting if replaced is None else waiting[: waiting.index(replaced)]
    return before[-1].sequence if before else None


def _moment(state: LedgerState, now: int) -> Moment:
    header = state.header
    latest = max(now, header.close_time) + 2 * EXPECTED_LEDGER_SECONDS
    return Moment(header.ledger_seq + 1, header.close_time, latest)


def _is_same(waiting: Envelope, envelope: Envelope) -> bool:
    """Whether the very same envelope waits, or a fee bump of it."""
    if waiting.fee_bump is not None and envelope.fee_bump is None:
        return waiting.fee_bump.inner_xdr == envelope.xdr
    return waiting.xdr == envelope.xdr


def replacement_fee(waiting: Envelope, envelope: Envelope) -> int:
    """The least that `envelope` must bid to take `waiting`'s place."""
    due = REPLACEMENT_FACTOR * waiting.fee_bid * envelope.operations_charged
    return min(MAX, -(-due // waiting.operations_charged))


def _affordable(state: LedgerState, envelope: Envelope, queue: Queue, replaced: Envelope | None) -> bool:
    payer = state.account(envelope.fee_source)
    bid, queued = envelope.fee_bid, queue.bids(envelope.fee_source)
    if replaced is not None and replaced.fee_source == envelope.fee_source:
        queued -= replaced.fee_bid
    return payer is not None and available_lumens(state.header, payer) - bid >= queued
