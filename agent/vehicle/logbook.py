"""The vehicle's jobs, folded from the journal: the only way in which a job changes is an event written down first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agent.core.experience import Deed, deed
from agent.core.job import IN_FLIGHT, Job, State, advance
from agent.core.trip import Phase, TripState
from agent.journal import Event, Journal, JournalReader

JOURNAL = "journal.sqlite"
"""The vehicle's journal in its state directory."""
TRIP = "trip"
"""The journal's note that holds the trip machine's mileage."""
BEFORE_ARRIVAL = (State.OPENED, State.CHOSEN, State.TRAINING)


class Logbook:
    """Open jobs in full, closed ones by what they came to."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.open: dict[str, Job] = {}
        self.deeds: list[Deed] = []
        """What each trip that is over came to, oldest first."""
        self.last_rounds: dict[str, str] = {}
        """Model → CID of the round that the last job was for."""
        self.last_choice: Mapping[str, Any] = {}
        """What the last job chose."""
        self._count = 0
        for event in journal.events():
            self._take(event)

    def record(self, job_id: str, kind: str, data: Mapping[str, Any], at: float, trip: TripState | None = None) -> Job:
        """One event, and the mileage that belongs to it, in one transaction. Raises NotInTable, JournalFull: then
        nothing has changed."""
        before = self.open.get(job_id, Job(job_id))
        advance(before, kind, data)
        note = {TRIP: json.dumps(trip.stored())} if trip else None
        (event,) = self.journal.append_all([(job_id, kind, data)], at, note)
        return self._take(event)

    def next_id(self) -> str:
        return f"trip-{self._count + 1:06d}"

    @property
    def driving(self) -> Job | None:
        """The job of the trip that is under way."""
        return next((job for job in self.open.values() if job.state in BEFORE_ARRIVAL), None)

    @property
    def experience(self) -> list[Deed]:
        """What every trip came to so far, those that wait for their verdict too."""
        return [*self.deeds, *(deed(job) for job in list(self.open.values()) if "steps" in job.facts)]

    @property
    def in_flight(self) -> Job | None:
        """The job whose envelope could still apply."""
        return next((job for job in self.open.values() if job.state in IN_FLIGHT), None)

    def mileage(self) -> TripState:
        """Where the trip machine stood. The journal's jobs have the last word on whether a trip is under way."""
        note = self.journal.note(TRIP)
        stored = json.loads(note) if note else TripState().stored()
        phase = Phase.OPEN if self.driving else Phase.WAITING
        return TripState.restored({**stored, "phase": phase.value})

    def _take(self, event: Event) -> Job:
        if event.job not in self.open:
            self._count += 1
        job = advance(self.open.get(event.job, Job(event.job)), event.kind, event.data)
        self.open[event.job] = job
        if event.kind == "chosen":
            self.last_choice = event.data
        if job.is_over:
            del self.open[event.job]
            if "round" in job.facts:
                self.last_rounds[job.facts["model"]] = job.facts["round"]
            self.deeds.append(deed(job))
        return job


def every_job(journal: JournalReader) -> dict[str, Job]:
    """All jobs, closed ones too, for people to look at."""
    jobs: dict[str, Job] = {}
    for event in journal.events():
        jobs[event.job] = advance(jobs.get(event.job, Job(event.job)), event.kind, event.data)
    return jobs
