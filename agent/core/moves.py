"""What a committee's machine (`core.committee`) is told, and what it wants done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.documents import SettlementRecord, Vote
from agent.core.ids import AccountId, CidText, StakeId, TxHash
from agent.core.money import Stroops

# --- what comes in


@dataclass(frozen=True, slots=True)
class Look:
    """A closed ledger was seen."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A vote that its validator, a member of its round's committee, has signed."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class Proposed:
    """A transaction on the settlement account that a member has signed."""

    hash: TxHash
    cid: CidText
    """CID of its record, as its memo has it."""
    stakes: tuple[StakeId, ...]
    """It claims these, in this order; none: it shares out, or enrols."""
    signers: frozenset[AccountId]
    """Members whose signature it carries."""
    max_time: int
    fee: Stroops
    """Per operation."""
    enrols: bool = False
    """Whether it pays nobody and only names its record: that must be a roll, or attest a round."""
    hands_over: bool = False
    """Whether it changes who signs."""
    envelope: str = ""
    """What this was read from."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a proposal's record holds: votes, checked like those that are heard, or the entries that it enrols."""

    proposed: Proposed
    votes: tuple[Vote, ...]
    enrolled: tuple[StakeId, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """A validator's valid signature of a transaction."""

    validator: AccountId
    hash: TxHash
    signature: bytes


@dataclass(frozen=True, slots=True)
class Drafted:
    """Our record's transaction, with our signature."""

    record: SettlementRecord
    hash: TxHash
    max_time: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The transaction was the one that the record makes, and has our signature."""

    proposed: Proposed


@dataclass(frozen=True, slots=True)
class Over:
    """What we handed in will not be heard of any more: it is in a ledger, or can never be, or was turned away."""

    hash: TxHash
    failed: bool = False
    """It is in a ledger and has done nothing."""
    underbid: bool = False
    """It was turned away for its fee."""


Said = Look | Heard | Proposed | Fetched | Signature | Drafted | Cosigned | Over


# --- what is to be done


@dataclass(frozen=True, slots=True)
class SayVote:
    vote: Vote


@dataclass(frozen=True, slots=True)
class Propose:
    """Pin the record, draw up its transaction and sign it: `Drafted`."""

    record: SettlementRecord
    fee: Stroops


@dataclass(frozen=True, slots=True)
class SayProposal:
    hash: TxHash


@dataclass(frozen=True, slots=True)
class FetchVotes:
    """Fetch the proposal's record: `Fetched`."""

    proposed: Proposed


@dataclass(frozen=True, slots=True)
class Cosign:
    """Draw up this record's transaction and sign it if it is the proposed one: `Cosigned`."""

    record: SettlementRecord
    proposed: Proposed


@dataclass(frozen=True, slots=True)
class SaySignature:
    hash: TxHash


@dataclass(frozen=True, slots=True)
class Decline:
    hash: TxHash
    why: str


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand it in with these signatures, and no other: the ledger refuses a surplus one (txBAD_AUTH_EXTRA)."""

    hash: TxHash
    signatures: Mapping[AccountId, bytes]


@dataclass(frozen=True, slots=True)
class Follow:
    """See what became of it: `Over` once that is known."""

    hash: TxHash


Action = SayVote | Propose | SayProposal | FetchVotes | Cosign | SaySignature | Decline | Submit | Follow
