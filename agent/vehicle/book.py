"""The vehicle's jobs, folded from the journal."""

from __future__ import annotations

import json

from agent.core.experience import Deed, deed
from agent.core.ids import CidText
from agent.core.jobs.contribution import IN_FLIGHT, Chosen, Job, JobState, Opened, Trained
from agent.core.jobs.fold import Event
from agent.core.trip import Phase, TripState
from agent.journal import Journal, JournalDamaged, JournalReader
from agent.journal.book import Book, every

JOURNAL = "journal.sqlite"
"""The vehicle's journal in its state directory."""
TRIP = "trip"
"""The journal's note that holds the trip machine's mileage."""
BEFORE_ARRIVAL = (JobState.OPENED, JobState.CHOSEN, JobState.TRAINING)


class JobBook(Book[Job]):
    """Open jobs in full, closed ones by what they came to."""

    def __init__(self, journal: Journal) -> None:
        self.deeds: list[Deed] = []
        """What each trip that is over came to, oldest first."""
        self.last_rounds: dict[str, CidText] = {}
        """Model → CID of the round that the last job was for."""
        self.last_choice: Chosen | None = None
        """What the last job chose."""
        self._count = 0
        super().__init__(journal, Job)

    def next_id(self) -> str:
        return f"trip-{self._count + 1:06d}"

    @property
    def driving(self) -> Job | None:
        """The job of the trip that is under way."""
        return next((job for job in self.open.values() if job.state in BEFORE_ARRIVAL), None)

    @property
    def experience(self) -> list[Deed]:
        """What every trip came to so far, those that wait for their verdict too."""
        return [*self.deeds, *(deed(job) for job in list(self.open.values()) if job.newest(Trained))]

    @property
    def in_flight(self) -> Job | None:
        """The job whose envelope could still apply."""
        return next((job for job in self.open.values() if job.state in IN_FLIGHT), None)

    def mileage(self) -> TripState:
        """Where the trip machine stood. The journal's jobs have the last word on whether a trip is under way. Raises
        JournalDamaged where an older agent's note, which has no checksum, has rotted."""
        note = self.journal.note(TRIP)
        phase = Phase.OPEN if self.driving else Phase.WAITING
        try:
            stored = json.loads(note) if note else TripState().stored()
            return TripState.restored({**stored, "phase": phase.value})
        except (ValueError, KeyError, TypeError):
            raise JournalDamaged(path=self.journal.path, why=f"what is remembered as {TRIP} is no mileage") from None

    def _take(self, job_id: str, event: Event) -> Job:
        if isinstance(event, Opened):
            self._count += 1
        elif isinstance(event, Chosen):
            self.last_choice = event
        return super()._take(job_id, event)

    def _ended(self, job: Job) -> None:
        chosen = job.newest(Chosen)
        if chosen is not None:
            self.last_rounds[chosen.model] = chosen.round
        self.deeds.append(deed(job))


def every_job(journal: JournalReader) -> dict[str, Job]:
    """All jobs, closed ones too, for people to look at."""
    return every(journal, Job)
