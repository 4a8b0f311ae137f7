"""One settlement account's end of the chain of records, read from its ledger state, the rolls in it, and what made its
settlements fail, as far back as the ledger's history goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from agent.core.documents import SettlementRecord
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.ledger import Account
from agent.core.record import ChainEnd, ServedTerms
from agent.core.roll import Anchored
from agent.errors import Unavailable
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market import records, settlement
from agent.market.bundle import Shelf

MOST_READ = 1000
"""Transactions of the account that one look reads."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A claim or payment that a settlement failed by, and in which ledger."""

    code: str
    ledger: int


class Chain:
    """`rounds`: what is served of this account now. Rolls are read as far back as these go."""

    def __init__(
        self, horizon: Horizon, shelf: Shelf, account: AccountId, rounds: Callable[[], Sequence[ServedTerms]] = tuple
    ) -> None:
        self._horizon, self._shelf, self._account, self._rounds = horizon, shelf, account, rounds
        self._end = ChainEnd()
        self.rolls: Mapping[StakeId, Anchored] = {}
        """Entry → the roll that it is on, for those that no record has settled, as they were read last."""
        self._failures: Mapping[str, Failure] = {}
        self._read: tuple[int, int, str] | None = None
        """(the account's sequence number, the ledger from which on, the cursor) when history was read last."""

    def end(self, account: Account) -> ChainEnd:
        """As the account stands. Without a data entry there never was a record: only the committee can set it, and what
        it signs never takes it away. Raises Unavailable, Malformed."""
        cid = records.newest(account)
        if cid != self._end.cid:
            record = None if cid is None else self._shelf.record(cid)
            self.rolls = self._read_back(cid)
            self._end = ChainEnd() if record is None else _end_of(cid, record)
        return self._end

    def _read_back(self, newest: CidText | None) -> Mapping[StakeId, Anchored]:
        """From the newest record to the last one that was read, or to what was before all rounds that are served."""
        settled, found = set[StakeId](), dict[StakeId, Anchored]()
        for cid, record in records.chain(self._shelf, newest):
            if cid == self._end.cid or self._is_past(record):
                break
            settled |= {entry.entry for entry in record.entries}
            if record.enrols is not None:
                roll = Anchored(cid, record.round, record.enrols)
                found |= dict.fromkeys((one.entry for one in record.enrols.entries), roll)
        return {entry: roll for entry, roll in {**self.rolls, **found}.items() if entry not in settled}

    def _is_past(self, record: SettlementRecord) -> bool:
        """A record names the newest round of its time: before the oldest one that is served nothing was enrolled on
        it."""
        numbers = {terms.cid: terms.round.number for terms in self._rounds()}
        return record.round not in numbers and record.purse.round < min(
            numbers.values(), default=record.purse.round + 1
        )

    def failures(self, account: Account, since: int) -> Mapping[str, Failure]:
        """Stake, or a share's vehicle → what failed by it, from ledger `since` on. Asks only when the account's
        sequence number has moved. What the ledger does not remember is unknown: then nobody is turned down for it."""
        if self._read is not None and self._read[0] == account.sequence and self._read[1] <= since:
            return self._failures
        try:
            self._failures, cursor, is_over = self._found(since)
            sequence = account.sequence if is_over else -1  # the next look goes on
            self._read = (sequence, since if self._read is None else min(since, self._read[1]), cursor)
        except Unavailable:
            pass
        return self._failures

    def _found(self, since: int) -> tuple[Mapping[str, Failure], str, bool]:
        """All that are known by now, how far history was read, and whether that is up to now. Anybody can pay to the
        account, and each payment is in its history: what lies more than MOST_READ of them back stays unknown."""
        known, newest, read = dict(self._failures), "", self._read
        back = read is None or since < read[1]
        history = self._horizon.history(
            self._account, newest_first=back, after=None if back or read is None else read[2] or None, failed=True
        )
        count = 0
        for transaction in islice(history, MOST_READ):
            count += 1
            if back and transaction.ledger < since:
                break
            newest = (newest or transaction.cursor) if back else transaction.cursor
            if transaction.source == self._account and not transaction.successful:
                envelope = opened(transaction.envelope, self._horizon.passphrase)
                found = settlement.failures(envelope, self._account, transaction.result)
                known |= {name: Failure(code, transaction.ledger) for name, code in found.items()}
        return known, newest or (read[2] if read is not None else ""), back or count < MOST_READ


def _end_of(cid: CidText | None, record: SettlementRecord) -> ChainEnd:
    return ChainEnd(record.index, cid, record.agreements, record.purse, record.attested, record.wages)
