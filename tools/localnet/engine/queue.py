"""Transactions that wait for the next ledger, in the order of their arrival."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from .envelope import Envelope
from .market import NOBODY, PENDING_LEDGERS, Crowd, rate
from .rules import TODAY, Rules
from .state import LedgerState
from .submission import error_of
from .validity import Moment

BAN_LEDGERS = 10
"""For how long an envelope that was applied, or became invalid while it waited, is not looked at again."""


class Queue:
    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], Envelope] = {}
        self._sequences: dict[str, list[int]] = {}
        self._bids: Counter[str] = Counter()
        self._dropped: list[Envelope] = []
        self._banned: deque[set[bytes]] = deque([set()], maxlen=BAN_LEDGERS)
        self.operations = 0
        """How many operations wait."""
        self._age: Counter[tuple[str, int]] = Counter()
        self.scarce = False
        """Whether the last nomination left something out for want of room."""
        self.evicted = Fraction(0)
        """The best rate that had to go since the last close: what comes now must bid more."""

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

    def ban(self, envelope: Envelope) -> None:
        self._banned[-1].add(envelope.xdr)

    def cheapest(self) -> list[Envelope]:
        """What waits, the lowest rate first and of equal ones the youngest: who has to go first."""
        youngest = list(self._waiting.values())
        youngest.reverse()
        return sorted(youngest, key=rate)

    def evict(self, envelopes: Iterable[Envelope]) -> None:
        """Somebody bid more: they go, with what follows them from the same source, and are not taken back soon."""
        for envelope in envelopes:
            self.evicted = max(self.evicted, rate(envelope))
            for follower in self.of(envelope.source):
                if follower.sequence >= envelope.sequence:
                    self.ban(follower)
                    self._forget(follower)

    def add(self, envelope: Envelope) -> None:
        """Take what `admit` called PENDING; a fee bump takes the place of what it replaces."""
        key = envelope.source, envelope.sequence
        replaced = self._waiting.get(key)
        if replaced is not None:
            self._bids[replaced.fee_source] -= replaced.fee_bid
            self.operations -= len(replaced.transaction.operations)
        else:
            self._sequences.setdefault(envelope.source, []).append(envelope.sequence)
        self._waiting[key] = envelope
        self.operations += len(envelope.transaction.operations)
        self._bids[envelope.fee_source] += envelope.fee_bid

    def nominate(
        self, state: LedgerState, close_time: int, rules: Rules = TODAY, crowd: Crowd = NOBODY
    ) -> list[Envelope]:
        """What the next ledger takes, in an order to apply it.

        What became invalid while it waited is left out, and so is whatever follows it from the same source.
        A ledger holds `max_tx_set_size` operations, which go to the best bids; the rest waits on.
        """
        valid = self._valid(state, close_time, rules)
        room = state.header.max_tx_set_size
        self.scarce = False
        if not crowd.bid and self.operations <= room:
            return valid
        taken: set[bytes] = set()
        left: set[str] = set()
        for bid, envelope in _ranked(valid):
            size = len(envelope.transaction.operations)
            if envelope.source in left or bid < crowd.bid or size > room:
                self.scarce |= size > room
                left.add(envelope.source)
            else:
                room -= size
                taken.add(envelope.xdr)
        return [one for one in valid if one.xdr in taken]

    def _valid(self, state: LedgerState, close_time: int, rules: Rules) -> list[Envelope]:
        """What may go on waiting or be taken, in the order of its arrival; the rest is to be dropped."""
        moment = Moment(state.header.ledger_seq + 1, close_time, close_time)
        reached: dict[str, int] = {}
        broken: set[str] = set()
        valid: list[Envelope] = []
        self._dropped = []
        for envelope in self._waiting.values():
            source = envelope.source
            if source in broken or error_of(state, envelope, moment, rules, reached.get(source)) is not None:
                broken.add(source)
                self._dropped.append(envelope)
                continue
            reached[source] = envelope.sequence
            valid.append(envelope)
        return valid

    def closed(self, batch: Sequence[Envelope], rules: Rules = TODAY) -> None:
        """A ledger closed with this batch: forget it, what can no longer follow it, and what was left out."""
        reached: dict[str, int] = {}
        for envelope in batch:
            reached[envelope.source] = max(envelope.sequence, reached.get(envelope.source, 0))
        for source, highest in reached.items():
            for sequence in list(self._sequences.get(source, ())):
                if sequence <= highest:
                    self._forget(self._waiting[source, sequence])
        stale = [*self._dropped, *self._aged(reached)]
        for envelope in stale:
            self._forget(envelope)
        banned = (*batch, *stale) if rules.refuses_applied_again else stale
        self._banned.append({envelope.xdr for envelope in banned})
        self._dropped = []
        self.evicted = Fraction(0)

    def _aged(self, reached: dict[str, int]) -> list[Envelope]:
        """What has waited long enough, now that one more ledger went by. An account that was served starts anew."""
        for key in self._waiting:
            self._age[key] = 0 if key[0] in reached else self._age[key] + 1
        return [one for key, one in self._waiting.items() if self._age[key] >= PENDING_LEDGERS]

    def _forget(self, envelope: Envelope) -> None:
        source, sequence = envelope.source, envelope.sequence
        if self._waiting.pop((source, sequence), None) is None:
            return
        self._bids[envelope.fee_source] -= envelope.fee_bid
        self.operations -= len(envelope.transaction.operations)
        del self._age[source, sequence]
        self._sequences[source].remove(sequence)
        if not self._sequences[source]:
            del self._sequences[source]


def _ranked(valid: Iterable[Envelope]) -> list[tuple[Fraction, Envelope]]:
    """Best bids first, equal ones in the order of their arrival. Nobody ranks before what he must follow."""
    least: dict[str, Fraction] = {}
    ranked: list[tuple[Fraction, Envelope]] = []
    for envelope in valid:
        least[envelope.source] = min(rate(envelope), least.get(envelope.source, rate(envelope)))
        ranked.append((least[envelope.source], envelope))
    return sorted(ranked, key=lambda one: one[0], reverse=True)
