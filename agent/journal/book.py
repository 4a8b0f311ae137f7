"""The open jobs of a journal: the only way in which a job changes is an event written down first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic

from agent.core.jobs.fold import Event, J, advance
from agent.errors import Malformed
from agent.journal.codec import decode, encode
from agent.journal.errors import JournalDamaged
from agent.journal.event import Event as Row
from agent.journal.journal import Journal
from agent.journal.reader import JournalReader


class Book(Generic[J]):
    """`new`: a job of this id to which nothing has happened. Open jobs are kept in full. Of those that are over a book
    keeps what it makes of them in `_ended`; whatever that needs stands before `super().__init__` is called.

    Raises JournalDamaged for events that are none of the job's, NotInTable where one does not follow the other.
    """

    def __init__(self, journal: Journal, new: Callable[[str], J]) -> None:
        self.journal = journal
        self.new = new
        self.open: dict[str, J] = {}
        for row in journal.events():
            self._take(row.job, _event(journal, new(row.job), row))

    def job(self, job_id: str) -> J:
        """The open job of this id, or a new one."""
        return self.open.get(job_id) or self.new(job_id)

    def record(self, job_id: str, event: Event, at: float, remember: Mapping[str, str] | None = None) -> J:
        """One event, and the notes that belong to it, in one transaction. Raises NotInTable, JournalFull: then nothing
        has changed."""
        advance(self.job(job_id), event)
        self.journal.append_all([(job_id, event.kind, encode(event))], at, remember)
        return self._take(job_id, event)

    def _take(self, job_id: str, event: Event) -> J:
        job = advance(self.job(job_id), event)
        if job.is_over:
            self.open.pop(job_id, None)
            self._ended(job)
        else:
            self.open[job_id] = job
        return job

    def _ended(self, job: J) -> None:
        """Called when a job is over."""


def every(journal: JournalReader, new: Callable[[str], J]) -> dict[str, J]:
    """All jobs, those that are over too, in the order of their first events. Raises as `Book`."""
    jobs: dict[str, J] = {}
    for row in journal.events():
        job = jobs.get(row.job) or new(row.job)
        jobs[row.job] = advance(job, _event(journal, job, row))
    return jobs


def _event(journal: JournalReader, job: J, row: Row) -> Event:
    try:
        return decode(job.table, row.kind, row.data)
    except Malformed as error:
        raise JournalDamaged(path=journal.path, why=f"number {row.seq}: {error}") from error
