"""What is under way at one settlement account, as one member of its committee has it in mind. Nothing of it is written
down: what is lost is said and proposed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.core import record as records
from agent.core.documents import SettlementRecord, Vote
from agent.core.fields import MOST_ON_ROLL
from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.money import Stroops

LEAST_FEE: Stroops = 1000
MOST_FEE: Stroops = 100_000
"""What a settlement may bid per operation. The ledger takes no more of it than it needs."""
VALID_S = 240
"""How long a proposal may be signed and enter a ledger, from the ledger on that it was drawn up in."""
LATE_S = 10
"""How far the speaker's ledger may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal of ours, on its way to enough signatures and into a ledger."""

    name: str
    """Name of the motion that it is about."""
    record: SettlementRecord
    committee: tuple[AccountId, ...]
    sequence: int
    """The settlement account's as it was drawn up."""
    fee: Stroops
    until: int
    """Ledger time from which on another motion of ours has its go."""
    said_at: int
    hash: TxHash = TxHash("")
    max_time: int = 0
    signatures: Mapping[AccountId, bytes] = field(default_factory=dict)
    submitted_at: int | None = None

    @property
    def entries(self) -> tuple[StakeId, ...]:
        return tuple(settled.entry for settled in self.record.entries)


@dataclass(frozen=True, slots=True)
class Bid:
    """The fee that was last signed here, for which sequence number and when first."""

    sequence: int = -1
    fee: Stroops = LEAST_FEE
    since: int = 0


@dataclass(frozen=True, slots=True)
class CommitteeState:
    us: AccountId
    votes: Mapping[StakeId, Mapping[AccountId, Vote]] = field(default_factory=dict)
    """Entry → validator → its first vote, for entries that are open and judged here."""
    early: Mapping[AccountId, Mapping[StakeId, Vote]] = field(default_factory=dict)
    """Validator → entry → its vote, until the entry is judged here."""
    two_faced: Mapping[AccountId, StakeId] = field(default_factory=dict)
    """Validator → the entry about which it said two things."""
    draft: Draft | None = None
    spoken_at: int = 0
    bid: Bid = Bid()
    signed: tuple[TxHash, ...] = ()
    """Hashes of proposals that were signed last."""
    fetched_in: Mapping[AccountId, int] = field(default_factory=dict)
    """Speaker → ledger in which a record of its was fetched last: who lies uses up nobody else's question."""
    moved_at: Mapping[str, int] = field(default_factory=dict)
    """Motion → ledger time at which it last had its go."""
    tried_at: Mapping[StakeId, int] = field(default_factory=dict)
    """Entry → ledger time at which it last found no signatures."""
    most: int = records.MAX_ENTRIES
    """Entries in one settlement: fewer after one that found no signatures, or failed."""
    longest: int = MOST_ON_ROLL
    """Entries on a roll, likewise."""
    shared_out: str = ""
    """The round that leaves nothing to be shared."""

    def of(self, entry: StakeId) -> tuple[Vote, ...]:
        """The votes on an entry, in the order of the validators' accounts."""
        return tuple(vote for _, vote in sorted(self.votes.get(entry, {}).items()))

    def bidding(self, fee: Stroops, sequence: int, now: int) -> CommitteeState:
        """After this fee was signed for a transaction of this sequence number."""
        if self.bid.sequence == sequence and fee <= self.bid.fee:
            return self
        return replace(self, bid=Bid(sequence, fee, now))
