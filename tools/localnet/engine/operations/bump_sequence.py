"""BumpSequence: move the source's sequence number forward."""

from __future__ import annotations

from dataclasses import replace

from stellar_sdk.xdr import BumpSequenceResultCode as Code

from ..envelope import Operation
from ..refusal import Refused
from ..step import Step


def check(operation: Operation) -> None:
    if operation.body.bump_to.sequence_number.int64 < 0:
        raise Refused(Code.BUMP_SEQUENCE_BAD_SEQ)


def apply(step: Step) -> bytes:
    account = step.source_account()
    step.state.put(
        replace(
            account,
            sequence=max(account.sequence, step.body.bump_to.sequence_number.int64),
            # Written even where the number stays: CAP-21 counts the age from here.
            sequence_ledger=step.header.ledger_seq,
            sequence_time=step.header.close_time,
        )
    )
    return b""
