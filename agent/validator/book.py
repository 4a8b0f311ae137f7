"""The validator's reviews, folded from its journal."""

from __future__ import annotations

from collections import Counter

from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.fold import owed
from agent.core.jobs.review import Review, ReviewStep
from agent.journal import Journal
from agent.journal.book import Book

Work = tuple[AccountId, CidText]
"""A vehicle's contribution."""


class ReviewBook(Book[Review]):
    """Open reviews in full; of closed ones only that they were seen, and how they ended."""

    def __init__(self, journal: Journal) -> None:
        self.ended: Counter[str] = Counter()
        self._over: set[StakeId] = set()
        self._entered: set[Work] = set()
        """What ended otherwise than rejected or taken back."""
        super().__init__(journal, lambda entry: Review(StakeId(entry)))

    @property
    def seen(self) -> set[StakeId]:
        """Every entry that was ever found."""
        return self._over | {review.id for review in self.open.values()}

    def judged(self, round_cid: CidText) -> list[Review]:
        """Reviews of one round that have a verdict of ours, oldest entry first."""
        reviews = (r for r in self._with_verdict if r.verdict.round == round_cid)
        return sorted(reviews, key=lambda r: (r.entry.ledger, r.id))

    def was_entered(self, entry: StakeId, vehicle: AccountId, contribution: CidText) -> bool:
        """Whether another entry of this vehicle with this contribution has a verdict of ours, or the committee's, that
        does not turn it down."""
        if not contribution:
            return False
        mine = (vehicle, contribution)
        return mine in self._entered or any(
            r.verdict.outcome != "rejected" and _work(r) == mine for r in self._with_verdict if r.id != entry
        )

    @property
    def _with_verdict(self) -> list[Review]:
        return [r for r in self.open.values() if owed(r) is ReviewStep.SETTLE]

    def _ended(self, job: Review) -> None:
        self._over.add(job.id)
        self.ended[job.outcome or job.state.value] += 1
        if job.outcome in ("accepted", "idle"):
            self._entered.add(_work(job))


def _work(review: Review) -> Work:
    return review.entry.vehicle, review.entry.contribution
