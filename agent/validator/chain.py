"""One settlement account's chain of records, read from the ledger that anchors it, and the payments that the ledger
refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core.cid import Cid
from agent.core.documents import Purse
from agent.core.ledger import Transaction
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market import settlement
from agent.market.bundle import Shelf


@dataclass(frozen=True, slots=True)
class Link:
    """The end of the chain: where the next record goes on. Index -1: there is none yet."""

    index: int = -1
    cid: str | None = None
    agreements: Mapping[str, int] = field(default_factory=dict)
    purse: Purse = field(default_factory=Purse)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payment that failed by its payee, and in which ledger."""

    code: str
    ledger: int


class Chain:
    """What the account's own transactions say, as of the last `look`."""

    def __init__(self, horizon: Horizon, shelf: Shelf, account: str) -> None:
        self._horizon, self._shelf, self._account = horizon, shelf, account
        self.end = Link()
        self.tip = ""
        """Hash of the account's newest transaction, failed ones included: what the next one is built on."""
        self._refused: Mapping[str, Refusal] = {}
        self._cursor = ""
        self._since: int | None = None

    def look(self, since: int) -> Link:
        """Read what is new; the chain's end. Of failed settlements all are known from ledger `since` on, whenever this
        validator was started: that of the oldest entry in question. Raises Unavailable; then nothing has changed."""
        if self._since is None or since < self._since:
            self._read_back(since)
        else:
            self._read_on()
        return self.end

    def refusal(self, payee: str, since: int = 0) -> str:
        """The code with which a ledger, from `since` on, refused the pay for a stake, or a vehicle's share; or ''."""
        found = self._refused.get(payee)
        return found.code if found is not None and found.ledger >= since else ""

    def _read_back(self, since: int) -> None:
        end, refused, tip, cursor = Link(), dict[str, Refusal](), "", ""
        for transaction in self._horizon.history(self._account, newest_first=True, failed=True):
            if end.cid is not None and transaction.ledger < since:
                break
            cursor = cursor or transaction.cursor
            if transaction.source != self._account:
                continue
            tip = tip or transaction.hash
            if not transaction.successful:
                refused = self._refusals(transaction) | refused
            elif end.cid is None:
                end = self._link(transaction) or end
        self.end, self._refused, self.tip, self._cursor, self._since = end, refused, tip, cursor, since

    def _read_on(self) -> None:
        end, refused, tip, cursor = self.end, dict(self._refused), self.tip, self._cursor
        for transaction in self._horizon.history(self._account, after=cursor, failed=True):
            cursor = transaction.cursor
            if transaction.source != self._account:
                continue
            tip = transaction.hash
            if transaction.successful:
                end = self._link(transaction) or end
            else:
                refused |= self._refusals(transaction)
        self.end, self._refused, self.tip, self._cursor = end, refused, tip, cursor

    def _link(self, transaction: Transaction) -> Link | None:
        """None: a transaction that anchors no record."""
        memo = opened(transaction.envelope, self._horizon.passphrase).memo
        if memo is None:
            return None
        cid = str(Cid.v0(memo))
        record = self._shelf.record(cid)
        return Link(record.index, cid, record.agreements, record.purse)

    def _refusals(self, transaction: Transaction) -> dict[str, Refusal]:
        envelope = opened(transaction.envelope, self._horizon.passphrase)
        found = settlement.refused(envelope, self._account, transaction.result)
        return {payee: Refusal(code, transaction.ledger) for payee, code in found.items()}
