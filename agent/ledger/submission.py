"""How a signed transaction gets into a ledger, or is known never to.

The caller has the envelope in its journal before it comes here, and calls `look` as often as it likes:

    in a ledger and successful     → Entered
    in a ledger and failed         → Refusal   the sequence number is used up; final for this hash
    absent, and a ledger closed
    after its last valid second    → Lapsed    it can never apply; build a new one
    anything else                  → None      unknown: handed in (again), ask again later

The order of the questions matters: first the head, then the hash. If the ledger that `head` names closed after the
envelope's last second and the hash is still absent *afterwards*, no ledger can ever hold it.
(Stellar docs, "Error handling: timeouts"; stellar-core #2920.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.core.ledger import Head, Transaction
from agent.errors import Refused
from agent.ledger.envelope import Signed, result_code


class Network(Protocol):
    """What is needed of a ledger to get a transaction into it."""

    def head(self) -> Head: ...
    def find(self, transaction_hash: str) -> Transaction | None: ...
    def hand_in(self, envelope: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Entered:
    ledger: int
    closed_at: int
    result: str
    """Base64 XDR."""


@dataclass(frozen=True, slots=True)
class Refusal:
    codes: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The last valid second is over and no ledger holds it."""

    why: str


def look(network: Network, signed: Signed) -> Entered | Refusal | Lapsed | None:
    """One round of asking. Raises Unavailable when the network cannot be asked at all. Harmless to repeat: the same
    envelope has the same hash, and a hash applies once."""
    head = network.head()
    found = network.find(signed.hash)
    if found is not None:
        return (
            Entered(found.ledger, found.closed_at, found.result)
            if found.successful
            else Refusal(result_code(found.result))
        )
    if head.closed_at > signed.max_time:
        return Lapsed(f"ledger {head.sequence} closed after the transaction's last valid second")
    try:
        network.hand_in(signed.envelope)
    except Refused:
        if head.closed_at + 15 > signed.max_time:  # core turns away what is about to expire; so it will
            return None
        raise
    return None
