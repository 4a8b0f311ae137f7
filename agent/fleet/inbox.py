"""The other end of an outbox: drops what was had before, and knows what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_GAPS = 100


@dataclass(slots=True)
class Inbox:
    """What was taken of one vehicle's events. `gaps` are (after, until) ranges that hold events not yet seen."""

    journal: str = ""
    last: int = -1
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def take(self, journal: str, seq: int, after: int) -> bool:
        """Whether this event is new. The first one seen opens no gap: what was before is history."""
        if journal != self.journal or self.last < 0:
            self.journal, self.last, self.gaps = journal, seq, []
            return True
        if seq > self.last:
            if after > self.last:
                self.gaps = [*self.gaps, (self.last, after)][-MAX_GAPS:]
            self.last = seq
            return True
        return self._fill(seq, after)

    def _fill(self, seq: int, after: int) -> bool:
        for place, (low, high) in enumerate(self.gaps):
            if low < seq <= high:
                # `after` may lie before the gap: the events between are not there, or not for the fleet.
                left = [(low, after)] if after > low else []
                right = [(seq, high)] if seq < high else []
                self.gaps[place : place + 1] = left + right
                return True
        return False
