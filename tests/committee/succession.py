"""A committee of machines that hands over to another in the middle of its business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.core.agenda import CommitteeState
from agent.core.jobs.review import Review
from tests.core.chamber import LEDGER_S, MEMBERS, Chamber, Served, Sight, named
from tests.core.test_documents import ACCOUNT, CID, a_round

FEE = 5_000_003
"""Divides by no number of validators that there is here."""
TERMS = {"stake": {"asset": f"DLC:{ACCOUNT}", "base": 4 * FEE, "fee": FEE}}
NEXT = named("the next round")


@dataclass
class Succession(Chamber):
    """The first `size` members, and from the round that opens after ledger `opens` on `heirs`."""

    heirs: Sequence[int] = ()
    opens: int = 20

    def __post_init__(self) -> None:
        self.terms = {**self.terms, **TERMS}
        super().__post_init__()
        outgoing = self.members
        incoming = tuple(MEMBERS[number] for number in self.heirs)
        self.members = tuple(dict.fromkeys((*outgoing, *incoming)))
        self.size = len(self.members)
        self.states = {member: CommitteeState(member) for member in self.members}
        bounds: dict[str, Any] = {"turn": self.turn, "review_window": 3600, **self.terms}
        opens = {"ledger": self.opens, "published_at": self.opens * LEDGER_S, "number": self.newest + 1}
        following = a_round(committee=incoming, previous=CID, **opens, **bounds)
        self.following = Served(NEXT, following, following.number)

    @property
    def is_handed_over(self) -> bool:
        return self.signers == self.following.round.committee

    def view(self, member: str) -> Sight:
        seen, now = super().view(member), self.following if self.is_handed_over else self.served
        rounds = {now.cid: now} if member in now.round.committee else {}
        own = {entry: (r, v) for entry, (r, v) in seen.own.items() if r.verdict.round in rounds}
        is_open = rounds and not self.is_handed_over and self.ledger > self.opens
        ledgers = [r.entry.ledger for r in self.reviews.values() if self._is_known(r, rounds)]
        incoming = self.following if is_open else None
        return replace(seen, rounds=rounds, own=own, incoming=incoming, oldest=min(ledgers, default=None))

    def _is_known(self, review: Review, rounds: dict[str, Served]) -> bool:
        return review.verdict.round in rounds
