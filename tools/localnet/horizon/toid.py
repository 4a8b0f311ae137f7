"""Total order ids (SEP-35): where in history something happened, as one 64-bit number."""

from __future__ import annotations

_LEDGER_BITS = 32
_OPERATION_BITS = 12
_SYNTHETIC_OFFER = 1 << 62


def toid(ledger: int, transaction: int = 0, operation: int = 0) -> int:
    """Transaction and operation count from 1; 0 stands for the ledger or the transaction itself."""
    return ledger << _LEDGER_BITS | transaction << _OPERATION_BITS | operation


def ledger_of(number: int) -> int:
    return number >> _LEDGER_BITS


def synthetic_offer(operation: int) -> int:
    """The id Horizon gives the taker's side of a trade when the taker left no offer behind."""
    return operation | _SYNTHETIC_OFFER
