"""How a signed transaction gets into a ledger, or is known never to.

The caller has the envelope in its journal before it comes here, and calls `look` as often as it likes:

    in a ledger and successful      → InLedger
    in a ledger and failed          → Refusal   the sequence number is used up; final for this hash
    absent, its last valid second
    over, its number not used up    → Lapsed    it can never apply; build a new one
    absent, its last valid second
    over, its number used up        → Spent     by this or by another: history does not say; ask the state
    anything else                   → None      unknown: handed in (again), ask again later

An absent hash proves nothing: the look-up may have come from a replica that is late, or from one that forgot. What
proves that no ledger holds the envelope is the account: its sequence number, as of a ledger that closed after the
envelope's last second, is still below the envelope's. As of which ledger an account was read is in the answer
(`Latest-Ledger`); an answer from before that ledger counts for nothing.
(Stellar docs, "Error handling: timeouts"; stellar-core #2920.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.core.ledger import Account, Head, Transaction
from agent.errors import Malformed, Refused, Unavailable
from agent.ledger.envelope import Signed, result_code, source


class Network(Protocol):
    """What is needed of a ledger to get a transaction into it."""

    def head(self) -> Head: ...
    def find(self, transaction_hash: str) -> Transaction | None: ...
    def account(self, account_id: str) -> Account | None: ...
    @property
    def latest(self) -> int:
        """The ledger as of which `account` was answered; 0 when the answer did not say."""

    def hand_in(self, envelope: str) -> None: ...


@dataclass(frozen=True, slots=True)
class InLedger:
    ledger: int
    closed_at: int
    result: str
    """Base64 XDR."""


@dataclass(frozen=True, slots=True)
class Refusal:
    codes: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The last valid second is over, and the account's number says that no ledger holds it."""

    why: str


@dataclass(frozen=True, slots=True)
class Spent:
    """The account's number is used up, and history does not show by what: by this transaction, of which it is too late
    or too early to hear, or by another one. What the ledger holds now must tell."""

    why: str
    ledger: int
    """As of this ledger, or a later one, the state must be asked."""


def look(network: Network, signed: Signed) -> InLedger | Refusal | Lapsed | Spent | None:
    """One round of asking. Raises Unavailable when the network cannot be asked at all. Harmless to repeat: the same
    envelope has the same hash, and a hash applies once."""
    head = network.head()
    if (found := _found(network, signed)) is not None:
        return found
    if head.closed_at > signed.max_time:
        return _over(network, signed, head)
    try:
        network.hand_in(signed.envelope)
    except Refused:
        if head.closed_at + 15 > signed.max_time:  # core turns away what is about to expire; so it will
            return None
        raise
    return None


def _found(network: Network, signed: Signed) -> InLedger | Refusal | None:
    found = network.find(signed.hash)
    if found is None:
        return None
    try:
        codes = result_code(found.result)
    except Malformed as error:
        raise Unavailable(what=f"The result of {signed.hash} ({error})") from None
    return InLedger(found.ledger, found.closed_at, found.result) if found.successful else Refusal(codes)


def _over(network: Network, signed: Signed, head: Head) -> InLedger | Refusal | Lapsed | Spent | None:
    """After the last valid second. `head` is a ledger that closed later: whoever has seen it knows the outcome."""
    name = source(signed.envelope)
    account = network.account(name)
    if network.latest < head.sequence:
        return None  # a replica that is late, or that does not say how late it is
    if account is not None and account.sequence < signed.sequence:
        return Lapsed(f"ledger {head.sequence} closed after the transaction's last valid second without it")
    if (found := _found(network, signed)) is not None:
        return found
    used = "is gone" if account is None else f"has used up the sequence number {signed.sequence}"
    return Spent(f"the account {name} {used}, and history does not show by what", head.sequence)
