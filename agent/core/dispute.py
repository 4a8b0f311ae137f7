"""Disputes over what a committee never judged, and the arbiter's ruling (PROTOCOL, "Disputes").

Rules
  1. A vehicle asks for a settlement, an initiator for a refund. Whoever asks pays the arbiter's fee.
  2. An arbiter rules once on a round, in its window, and on disputed entries alone.
  3. Pay goes by the entries' order on the ledger, out of all that is left of the pledge; the rest is the initiator's.
  4. A vehicle that is found for gets its fee back as well: a silent committee is not its doing. Nobody else does.
  5. One contribution is paid once.
(DAI, Liu et al.: requestForcefulSettle, requestForcefulRefund, executeForcefulSettle, executeForcefulRefund)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from agent.core import pay
from agent.core.documents import Document, Part, Vote
from agent.core.fields import AccountId, Amount, Base64, CidText, Credit, Reason, StakeId
from agent.core.money import Stroops
from agent.core.round import Pledge, Round
from agent.core.verdict import Verdict, merge

Kind = Literal["settle", "refund"]
MOST_RULED = 64
"""Entries of one ruling: with the balances that it claims and the rest they are one transaction."""
MOST_CLAIMED = 32
"""Balances of a pledge that a ruling claims, the largest first."""
LAST_S = 300
"""So long before its window ends, or a quarter of it where that is less, an arbiter rules with what it has decided."""

UNDECIDED = "the arbiter did not decide on it"
TWICE = "its contribution is paid with another entry"
GONE = "its vehicle's account is not on the ledger"


class Dispute(Document):
    """`dispute.json`: what somebody asks an arbiter for, and why. The memo of the payment of the fee is its CID."""

    max_bytes: ClassVar[int] = 32 * 1024

    protocol: Literal[1] = 1
    kind: Kind
    """`settle`: the entry's vehicle wants to be paid; `refund`: the round's initiator wants it not to be."""
    round: CidText
    entry: StakeId
    by: AccountId
    reason: Reason
    votes: tuple[Vote, ...] = Field(default=(), max_length=20)
    """Votes of the committee on this entry that whoever asks has come by."""


class RuledEntry(Part):
    """What an arbiter finds on one entry."""

    entry: StakeId
    vehicle: AccountId
    outcome: Literal["settled", "refunded"]
    credit: Credit
    """VLM stroops, which are paid in XLM at the round's reward."""
    fee: Amount
    """XLM stroops that the vehicle paid for its dispute and gets back."""
    reason: Reason

    @model_validator(mode="after")
    def _paid_or_not(self) -> RuledEntry:
        if (self.outcome == "settled") != (self.credit > 0) or (self.fee > 0 and self.outcome != "settled"):
            raise ValueError("what is settled has a credit, and nothing else has a credit or a fee")
        return self


class Ruling(Document):
    """`ruling.json`: what became of a round's disputes, signed with the arbiter's Stellar key over `to_bytes()` less
    the signature. The memo of the transaction that pays it out is its CID."""

    max_bytes: ClassVar[int] = 128 * 1024

    protocol: Literal[1] = 1
    round: CidText
    disputes: tuple[CidText, ...] = Field(min_length=1, max_length=2 * MOST_RULED)
    entries: tuple[RuledEntry, ...] = Field(min_length=1, max_length=MOST_RULED)
    arbiter: AccountId
    signature: Base64 = ""

    @model_validator(mode="after")
    def _each_once(self) -> Ruling:
        if len({each.entry for each in self.entries}) < len(self.entries):
            raise ValueError("an entry is ruled on once")
        return self


@dataclass(frozen=True, slots=True)
class Claim:
    """A disputed entry, as the arbiter has found it on the ledger."""

    entry: StakeId
    vehicle: AccountId
    contribution: CidText
    ledger: int
    wants_pay: bool
    """Its vehicle asked for a settlement. False: its initiator alone asked, for a refund."""
    credit: Stroops | None
    """VLM that the arbiter grants it; 0: none, None: it did not decide."""
    reason: str = ""


def ruled(claims: Sequence[Claim], pledge: Pledge, locked: Stroops, gone: frozenset[AccountId]) -> list[RuledEntry]:
    """What is found on each, in the order of the ledger, with so much XLM left in the pledge. `gone`: vehicles that
    cannot be paid. At most `MOST_RULED`, the first on the ledger."""
    assert pledge.arbiter is not None  # noqa: S101
    made, paid = list[RuledEntry](), set[CidText]()
    for each in sorted(claims, key=lambda each: (each.ledger, each.entry))[:MOST_RULED]:
        fee = pledge.arbiter.fee if each.wants_pay else 0
        amount = pay.due(each.credit or 0, pledge.reward) + fee
        if each.credit is None:
            why = UNDECIDED
        elif each.credit == 0:
            why = each.reason
        elif each.vehicle in gone:
            why = GONE
        elif each.contribution in paid:
            why = TWICE
        elif amount > locked:
            why = pay.USED_UP
        else:
            locked -= amount
            paid.add(each.contribution)
            made.append(_entry(each, "settled", each.credit, fee, each.reason))
            continue
        made.append(_entry(each, "refunded", 0, 0, why))
    return made


def _entry(each: Claim, outcome: Literal["settled", "refunded"], credit: Stroops, fee: Stroops, why: str) -> RuledEntry:
    return RuledEntry(entry=each.entry, vehicle=each.vehicle, outcome=outcome, credit=credit, fee=fee, reason=why[:200])


def owed(found: RuledEntry, pledge: Pledge) -> Stroops:
    """XLM that a ruling pays for an entry: the credit, and the fee where that goes back."""
    return pay.due(found.credit, pledge.reward) + found.fee


def said(dispute: Dispute, round_: Round) -> Verdict | None:
    """What the votes that a dispute holds come to: None where they are too few to tell."""
    return merge(dispute.votes, len(round_.committee))


def last_call(round_: Round) -> int:
    """Ledger time from which an arbiter rules with what it has decided, and waits for no more."""
    return round_.back_at - min(LAST_S, round_.review_window // 4)
