"""Transactions that wait for the next ledger, in the order of their arrival."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from tools.localnet.engine.envelope import Envelope
from tools.localnet.engine.rules import TODAY, Rules
from tools.localnet.engine.state import State
from tools.localnet.engine.submission import error_of
from tools.localnet.engine.validity import Moment

BAN_LEDGERS = 10
"""For how long an envelope that was applied, or became invalid while it waited, is not looked at again."""


class Queue:
    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], Envelope] = {}
        self._sequences: dict[str, list[int]] = {}
        self._bids: Counter[str] = Counter()
        self._dropped: list[Envelope] = []
        self._banned: deque[frozenset[bytes]] = deque(maxlen=BAN_LEDGERS)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Envelope]:
        return iter(list(self._waiting.values()))

    def of(self, source: str) -> list[Envelope]:
        """What waits from this source, by sequence number."""
        return [self._waiting[source, sequence] for sequence in self._sequences.get(source, ())]

    def bids(self, fee_source: str) -> int:
        """The sum of what this account has offered to pay for waiting transactions."""
        return self._bids[fee_source]

    def is_banned(self, envelope: Envelope) -> bool:
        return any(envelope.xdr in banned for banned in self._banned)

    def add(self, envelope: Envelope) -> None:
        """Take what `admit` called PENDING; a fee bump takes the place of what it replaces."""
        key = envelope.source, envelope.sequence
        replaced = self._waiting.get(key)
        if replaced is not None:
            self._bids[replaced.fee_source] -= replaced.fee_bid
        else:
            self._sequences.setdefault(envelope.source, []).append(envelope.sequence)
        self._waiting[key] = envelope
        self._bids[envelope.fee_source] += envelope.fee_bid

    def nominate(self, state: State, close_time: int, rules: Rules = TODAY) -> list[Envelope]:
        """What the next ledger takes, in an order to apply it.

        What became invalid while it waited is left out, and so is whatever follows it from the same source.
        A ledger holds `max_tx_set_size` operations; the rest waits on.
        """
        header = state.header
        moment = Moment(header.ledger_seq + 1, close_time, close_time)
        room = header.max_tx_set_size
        reached: dict[str, int] = {}
        broken: set[str] = set()
        batch: list[Envelope] = []
        self._dropped = []
        for envelope in self._waiting.values():
            source = envelope.source
            if source in broken or error_of(state, envelope, moment, rules, reached.get(source)) is not None:
                broken.add(source)
                self._dropped.append(envelope)
                continue
            room -= len(envelope.transaction.operations)
            if room < 0:
                break
            reached[source] = envelope.sequence
            batch.append(envelope)
        return batch

    def closed(self, batch: Sequence[Envelope], rules: Rules = TODAY) -> None:
        """A ledger closed with this batch: forget it, what can no longer follow it, and what was left out."""
        reached: dict[str, int] = {}
        for envelope in batch:
            reached[envelope.source] = max(envelope.sequence, reached.get(envelope.source, 0))
        for source, highest in reached.items():
            for sequence in list(self._sequences.get(source, ())):
                if sequence <= highest:
                    self._forget(self._waiting[source, sequence])
        for envelope in self._dropped:
            self._forget(envelope)
        banned = (*batch, *self._dropped) if rules.refuses_applied_again else self._dropped
        self._banned.append(frozenset(envelope.xdr for envelope in banned))
        self._dropped = []

    def _forget(self, envelope: Envelope) -> None:
        source, sequence = envelope.source, envelope.sequence
        if self._waiting.pop((source, sequence), None) is None:
            return
        self._bids[envelope.fee_source] -= envelope.fee_bid
        self._sequences[source].remove(sequence)
        if not self._sequences[source]:
            del self._sequences[source]
