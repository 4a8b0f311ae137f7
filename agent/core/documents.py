"""The JSON documents that travel: contribution, vote and settlement record here, the round in `round.py` (PROTOCOL
sections 2, 5 and 6).

Canonical form: RFC 8785 (JCS) with objects, texts and integers alone: sorted keys, no white space, UTF-8, no floats;
what is not an integer is a decimal string, and integers are written in full, also beyond 2^53. The same document has
the same bytes everywhere, so its digest can be signed. A reader gives bounded bytes to `parse` and gets a typed, frozen
value or `Malformed`.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from agent.core import ids
from agent.core.fields import (
    MOST_ON_ROLL,
    MOST_SAMPLES,
    MOST_STEPS,
    AccountId,
    Amount,
    AssetName,
    Base64,
    CidText,
    Count,
    Credit,
    Hex32,
    LedgerNumber,
    Loss,
    MemoText,
    Name,
    Number,
    Reason,
    RoundNumber,
    StakeId,
    TxHash,
    UnixTime,
)
from agent.errors import Malformed
from agent.sentences import first_mistake

D = TypeVar("D", bound="Document")
NOBODY = ids.AccountId("")


class Part(BaseModel):
    """A piece of a document: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Document(Part):
    """A whole document with canonical bytes."""

    max_bytes: ClassVar[int] = 256 * 1024

    def to_bytes(self) -> bytes:
        plain = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def parse(cls: type[D], data: bytes) -> D:
        """Bounded bytes in, a typed document out. Raises Malformed; anything not in canonical form is refused."""
        name = cls.__name__.lower()
        if len(data) > cls.max_bytes:
            raise Malformed(what=f"a {name}", why=f"{len(data)} bytes, at most {cls.max_bytes} are read")
        try:
            document = cls.model_validate(json.loads(data, parse_float=_refuse_float))
        except ValidationError as error:
            raise Malformed(what=f"a {name}", why=first_mistake(error)) from None
        except (ValueError, RecursionError) as error:
            raise Malformed(what=f"a {name}", why=str(error)[:200]) from None
        if document.to_bytes() != data:
            raise Malformed(what=f"a {name}", why="the bytes are not in canonical form")
        return document


def _refuse_float(text: str) -> float:
    raise ValueError(f"{text[:30]} is a float: write a decimal string")


# --- the contribution -----------------------------------------------------------------------------------------


class Contribution(Document):
    """`contribution.json`: what a vehicle did, without a position, a time finer than a day, or a frame."""

    protocol: Literal[1] = 1
    model: AssetName
    base: CidText
    vehicle: AccountId
    samples: int = Field(ge=1, le=MOST_SAMPLES)
    steps: int = Field(ge=1, le=MOST_STEPS)
    planned: int = Field(ge=1, le=MOST_STEPS)
    encoding: Name
    encoding_error: Number = Field(ge=0, le=10**8)
    """Relative L2 error of the encoded update against the trained one."""
    keys: dict[AccountId, Base64] = Field(max_length=32)
    """The bundle's key, sealed to each validator and the initiator."""
    fingerprint: tuple[Hex32, ...] | None = Field(default=None, max_length=256)
    """Of older vehicles; nobody reads it (docs/decisions/054)."""
    held_back: Loss | None = None
    """The figure on the vehicle's own held-back frames."""
    software: Name
    profile: Name
    validator: AccountId | None = None
    """Of whose fleet the vehicle is, by its own word: what it is credited for counts for that validator."""


# --- review and settlement ------------------------------------------------------------------------------------

Outcome = Literal["accepted", "idle", "rejected"]


class Vote(Document):
    """One validator's judgement of one entry, signed with the validator's Stellar key over `to_bytes()` less the
    signature."""

    protocol: Literal[1] = 1
    round: CidText
    entry: StakeId
    """The claimable balance of the stake."""
    contribution: MemoText
    validator: AccountId
    outcome: Outcome
    reason: Reason
    credit: Credit
    roll: CidText | None = None
    """The record of the roll that the entry was on; none while it is on none."""
    fused: Literal[True] | None = None
    """Where its update has a voice in the round that its roll makes."""
    figure: Loss | None = None
    """Loss on the global set with its roll fused: every validator must get the same to 1e-4."""
    signature: Base64 = ""


class SettledEntry(Part):
    """One entry in a record, with the median of its votes."""

    entry: StakeId
    transaction: TxHash
    vehicle: AccountId
    contribution: MemoText
    outcome: Outcome
    reason: Reason
    credit: Credit
    fused: Literal[True] | None = None
    """Where two thirds gave it a voice in what its roll makes."""
    stake: Amount
    fee: Amount

    @property
    def has_voice(self) -> bool:
        """Whether it is to be fused: who is paid always is."""
        return self.outcome == "accepted" or bool(self.fused)


class Enrolled(Part):
    """One entry on a roll."""

    entry: StakeId
    transaction: TxHash
    vehicle: AccountId
    contribution: CidText
    ledger: LedgerNumber


class Roll(Part):
    """Entries on one base that are judged together, in the order of the ledger."""

    entries: tuple[Enrolled, ...] = Field(min_length=1, max_length=MOST_ON_ROLL)
    drawn_at: UnixTime
    """When the newest ledger had closed as it was drawn up."""

    @model_validator(mode="after")
    def _in_order(self) -> Roll:
        places = [(one.ledger, one.entry) for one in self.entries]
        if any(one >= other for one, other in pairwise(places)):
            raise ValueError("a roll is in the order of the ledger, and each entry is on it once")
        return self


class Share(Part):
    """What a vehicle is paid of others' forfeited stakes."""

    vehicle: AccountId
    amount: Amount
    """DLC stroops."""


class Purse(Part):
    """Forfeited stakes, and how far they are shared out."""

    forfeited: Amount = 0
    """DLC stroops that nobody was paid yet."""
    round: RoundNumber = 0
    """Number of the round whose publication began the newest sharing. Round 0 closes none."""
    pot: Amount = 0
    """What was forfeited as that sharing began."""
    done: int = Field(default=0, ge=0, le=10_000)
    """Vehicles that this sharing has dealt with, in the order of their accounts."""


class Wages(Part):
    """Fees that validators have earned and were not paid yet."""

    round: RoundNumber
    """Number of the newest round as the first of these was earned."""
    due: dict[AccountId, Amount] = Field(min_length=1, max_length=40)
    """Validator → DLC stroops."""


class Wage(Part):
    """What a validator is paid of them."""

    validator: AccountId
    amount: Amount
    """DLC stroops."""


class SettlementRecord(Document):
    """A batch of 1 to 32 verdicts, or of 1 to 100 shares, or a roll, or an attested round, hash-linked to the record
    before and anchored by the transaction that pays it out."""

    max_bytes: ClassVar[int] = 2 * 1024 * 1024

    protocol: Literal[1] = 1
    index: Count
    previous: CidText | None = None
    round: CidText
    entries: tuple[SettledEntry, ...] = Field(default=(), max_length=32)
    roll: CidText | None = None
    """The record of the roll that its entries are on; none where they were turned down before they were on any."""
    votes: tuple[Vote, ...] = Field(default=(), max_length=640)
    enrols: Roll | None = None
    shares: tuple[Share, ...] = Field(default=(), max_length=100)
    committee: tuple[AccountId, ...] | None = Field(default=None, min_length=1, max_length=20)
    """Who settles from this record on, in one that attests its round: they may be those who did, or others."""
    paid: tuple[Wage, ...] | None = Field(default=None, min_length=1, max_length=40)
    """Fees that validators have earned until then."""
    wages: Wages | None = None
    """Those that are left once this record is settled."""
    attested: CidText | None = None
    """The newest round that two thirds have rebuilt and found to be what its lineage says."""
    purse: Purse = Purse()
    """Forfeited stakes once this record is settled."""
    agreements: dict[AccountId, Count] = Field(max_length=20)
    """Votes of each validator, up to and with this record, that agreed with what was settled: D_i of the speaker."""
    speaker: AccountId

    @model_validator(mode="after")
    def _of_one_kind(self) -> SettlementRecord:
        if sum(map(bool, (self.entries, self.shares, self.enrols, self.committee, self.paid))) != 1:
            raise ValueError("a record holds entries or shares, or wages, or a roll, or attests a round")
        return self
