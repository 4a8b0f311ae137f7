"""A validator's review of one entry.

Rules
  1. An entry is a stake on the ledger. It is found there, never announced.
  2. A verdict is written down before the vote leaves: asked again, the validator says the same. What was measured was
     measured on a roll; a verdict of an earlier version, which was not, is found anew.
  3. What settled an entry is what the ledger says, whoever proposed it; an entry may be settled without our vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from agent.core.documents import Outcome
from agent.core.ids import AccountId, CidText, StakeId, TxHash
from agent.core.jobs.fold import Event, Folded, Table, owed
from agent.core.money import Stroops


class ReviewState(str, Enum):
    NONE = "none"
    FOUND = "found"
    JUDGED = "judged"
    SETTLED = "settled"
    GONE = "gone"


class ReviewStep(str, Enum):
    """What a review is owed."""

    JUDGE = "judge the entry"
    SETTLE = "have the entry settled"


@dataclass(frozen=True, slots=True)
class Found(Event):
    """The ledger holds an entry, made by `transaction` in `ledger`, which closed at `entered_at`."""

    settlement: AccountId
    vehicle: AccountId
    transaction: TxHash
    ledger: int
    entered_at: int
    contribution: CidText
    """'' where the memo is no hash: then there is nothing to judge, and `fault` says so."""
    stake: Stroops
    """DLC."""
    take_back_at: int | None = None
    """From this ledger time on the vehicle may claim its stake. None: by a validator that did not write it down."""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Judged(Event):
    """Our verdict, under the terms of `round`."""

    round: CidText
    outcome: Outcome
    credit: Stroops
    """VLM."""
    reason: str
    figure: str | None
    """Decimal: the loss on the global set, where it was measured."""
    roll: CidText | None = None
    """Record of the roll on which it was measured."""
    fused: Literal[True] | None = None
    """Where it has a voice in what its roll makes."""


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """The committee's transaction `settlement_transaction` claimed the stake."""

    outcome: Outcome
    credit: Stroops
    """VLM."""
    returned: Stroops
    """DLC."""
    settlement_transaction: TxHash


@dataclass(frozen=True, slots=True)
class Gone(Event):
    """The stake was taken back, or is no entry."""

    outcome: Literal["gone"] = "gone"


S = ReviewState

TABLE = Table(
    {
        (S.NONE, Found): S.FOUND,
        (S.FOUND, Judged): S.JUDGED,
        (S.FOUND, Settled): S.SETTLED,
        (S.FOUND, Gone): S.GONE,
        (S.JUDGED, Judged): S.JUDGED,
        (S.JUDGED, Settled): S.SETTLED,
        (S.JUDGED, Gone): S.GONE,
    },
    {
        S.FOUND: ReviewStep.JUDGE,
        S.JUDGED: ReviewStep.SETTLE,
    },
)


@dataclass(frozen=True, slots=True)
class Review(Folded[ReviewState, ReviewStep]):
    """One entry, by its stake's id."""

    id: StakeId
    state: ReviewState = ReviewState.NONE

    @property
    def table(self) -> Table[ReviewState, ReviewStep]:
        return TABLE

    @property
    def entry(self) -> Found:
        """Raises DidNotHappen for a review of nothing."""
        return self.of(Found)

    @property
    def verdict(self) -> Judged:
        """Ours. Raises DidNotHappen before there is one."""
        return self.of(Judged)

    @property
    def outcome(self) -> str | None:
        """How it ended; while it is open, what our verdict is; None before there is one."""
        last = self.newest(Settled) or self.newest(Gone) or self.newest(Judged)
        return last.outcome if last is not None else None


def is_measured(review: Review) -> bool:
    """Whether its verdict came of a measurement, and not of what its vehicle signed."""
    verdict = review.newest(Judged)
    return verdict is not None and (verdict.figure is not None or verdict.roll is not None)


def awaits_judging(review: Review) -> bool:
    """Whether a verdict is to be found."""
    alone = is_measured(review) and review.verdict.roll is None
    return owed(review) is ReviewStep.JUDGE or (owed(review) is ReviewStep.SETTLE and alone)
