"""Transactions that wait for the next ledger, in the order of their arrival."""

from __future__ import annotations

from tools.localnet.engine.envelope import Envelope
from tools.localnet.engine.rules import TODAY, Rules
from tools.localnet.engine.state import State


class Queue:
    def __len__(self) -> int:
        raise NotImplementedError

    def add(self, envelope: Envelope, state: State) -> None:
        """Take what `admit` called PENDING; a fee bump takes the place of the transaction that it replaces."""
        raise NotImplementedError

    def nominate(self, state: State, close_time: int, rules: Rules = TODAY) -> list[Envelope]:
        """What the next ledger takes, in an order to apply it; what became invalid meanwhile is left out."""
        raise NotImplementedError

    def closed(self, batch: list[Envelope]) -> None:
        """A ledger closed with this batch: forget it, and whatever it left invalid."""
        raise NotImplementedError
