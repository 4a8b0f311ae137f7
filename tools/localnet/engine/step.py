"""What an operation sees while it is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .entries import Account, Header
from .envelope import Operation, Transaction
from .reserves import owner
from .state import LedgerState


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of one transaction, about to change the state."""

    state: LedgerState
    transaction: Transaction
    operation: Operation
    index: int
    last_sequences: Mapping[str, int]
    """The highest sequence number that each source account uses in this ledger."""

    @property
    def source(self) -> str:
        return self.operation.source

    @property
    def body(self) -> Any:
        return self.operation.body

    @property
    def header(self) -> Header:
        return self.state.header

    def source_account(self) -> Account:
        """The operation's source as it is now; the engine has made sure that it exists."""
        return owner(self.state, self.operation.source)
