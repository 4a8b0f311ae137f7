"""AccountMerge: the source ends and all its lumens go to the destination."""

from __future__ import annotations

from stellar_sdk.xdr import AccountMergeResultCode as Code

from ..assets import muxed_from_xdr
from ..entries import AUTH_IMMUTABLE
from ..envelope import Operation
from ..holdings import move_lumens
from ..packing import INT64
from ..refusal import Refused
from ..step import Step
from .create_account import starting_sequence


def check(operation: Operation) -> None:
    if muxed_from_xdr(operation.body) == operation.source:
        raise Refused(Code.ACCOUNT_MERGE_MALFORMED)


def apply(step: Step) -> bytes:
    state, account = step.state, step.source_account()
    destination = state.account(muxed_from_xdr(step.body))
    if destination is None:
        raise Refused(Code.ACCOUNT_MERGE_NO_ACCOUNT)
    if account.flags & AUTH_IMMUTABLE:
        raise Refused(Code.ACCOUNT_MERGE_IMMUTABLE_SET)
    if account.subentries != len(account.signers):
        raise Refused(Code.ACCOUNT_MERGE_HAS_SUB_ENTRIES)
    # An account made again in this ledger must not live through its own sequence numbers a second time.
    last = max(account.sequence, step.last_sequences.get(account.account, 0))
    if last >= starting_sequence(step.header.ledger_seq):
        raise Refused(Code.ACCOUNT_MERGE_SEQNUM_TOO_FAR)
    if account.num_sponsoring:
        raise Refused(Code.ACCOUNT_MERGE_IS_SPONSOR)
    if not move_lumens(state, destination, account.balance):
        raise Refused(Code.ACCOUNT_MERGE_DEST_FULL)
    state.remove(account)
    return INT64(account.balance)
