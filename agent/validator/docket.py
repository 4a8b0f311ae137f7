"""The validator's open reviews, folded from its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from agent.core.review import Review, State, advance
from agent.journal import Journal


class Docket:
    """Open reviews in full; of closed ones only that they were seen, and how they ended."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.open: dict[str, Review] = {}
        self.seen: set[str] = set()
        self.ended: Counter[str] = Counter()
        self._entered: set[str] = set()
        """Contributions, with their vehicles, that ended otherwise than rejected or taken back."""
        for event in journal.events():
            self._take(event.job, event.kind, event.data)

    def record(self, entry: str, kind: str, data: Mapping[str, Any], at: float) -> Review:
        """Write one event down. Raises NotInTable, JournalFull: then nothing has changed."""
        advance(self.open.get(entry, Review(entry)), kind, data)
        self.journal.append(entry, kind, data, at)
        return self._take(entry, kind, data)

    def judged(self, round_cid: str) -> list[Review]:
        """Reviews of one round that have a verdict of ours, oldest entry first."""
        reviews = (r for r in self.open.values() if r.state is State.JUDGED and r.facts["round"] == round_cid)
        return sorted(reviews, key=lambda r: (r.facts["ledger"], r.id))

    def was_entered(self, entry: str, vehicle: str, contribution: str) -> bool:
        """Whether another entry of this vehicle with this contribution has a verdict of ours, or the committee's, that
        does not turn it down."""
        if not contribution:
            return False
        judged = (r for r in self.open.values() if r.state is State.JUDGED and r.id != entry)
        mine = _work(vehicle, contribution)
        return mine in self._entered or any(
            r.facts["outcome"] != "rejected" and _work(r.facts["vehicle"], r.facts["contribution"]) == mine
            for r in judged
        )

    def _take(self, entry: str, kind: str, data: Mapping[str, Any]) -> Review:
        review = advance(self.open.get(entry, Review(entry)), kind, data)
        self.seen.add(entry)
        self.open[entry] = review
        if review.is_over:
            del self.open[entry]
            outcome = review.facts.get("outcome", review.state.value)
            self.ended[outcome] += 1
            if outcome in ("accepted", "idle"):
                self._entered.add(_work(review.facts["vehicle"], review.facts["contribution"]))
        return review


def _work(vehicle: str, contribution: str) -> str:
    return f"{contribution} {vehicle}"
