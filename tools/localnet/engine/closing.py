"""Closing a ledger: fees of all transactions first, then each transaction in turn (RULES 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.localnet.engine.entries import Changes, Header
from tools.localnet.engine.envelope import Envelope
from tools.localnet.engine.rules import TODAY, Rules
from tools.localnet.engine.state import State


@dataclass(frozen=True, slots=True)
class AppliedOperation:
    """`result` is the OperationResult's XDR; a failed transaction's operations have no changes."""

    result: bytes
    changes: Changes


@dataclass(frozen=True, slots=True)
class Applied:
    """`result` is the TransactionResult's XDR."""

    envelope: Envelope
    result: bytes
    successful: bool
    fee_charged: int
    fee_changes: Changes
    sequence_changes: Changes
    operations: tuple[AppliedOperation, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """`changes` are the whole ledger's, header included: hand them to `State.commit`."""

    header: Header
    transactions: tuple[Applied, ...]
    changes: Changes


def close(state: State, envelopes: Sequence[Envelope], close_time: int, rules: Rules = TODAY) -> Closed:
    """Apply envelopes in the order given on top of the state, which stays as it is."""
    raise NotImplementedError
