"""The initiator's rounds, folded from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.core.round import RoundJob, State, advance
from agent.journal import Journal, JournalReader

SETTLEMENT = "settlement"


class Register:
    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.jobs = every_round(journal)

    def record(self, job_id: str, kind: str, data: Mapping[str, Any], at: float) -> RoundJob:
        """Write one event down. Raises NotInTable, JournalFull: then nothing has changed."""
        job = advance(self.jobs.get(job_id, RoundJob(job_id)), kind, data)
        self.journal.append(job_id, kind, data, at)
        self.jobs[job_id] = job
        return job

    def job(self, job_id: str) -> RoundJob:
        return self.jobs.get(job_id, RoundJob(job_id))

    @property
    def settlement(self) -> str | None:
        """The settlement account, once it is on the ledger."""
        job = self.job(SETTLEMENT)
        return str(job.facts["settlement"]) if job.state is State.OPEN else None

    @property
    def rounds(self) -> list[RoundJob]:
        """Oldest first."""
        found = [job for job_id, job in self.jobs.items() if job_id.startswith("round-")]
        return sorted(found, key=lambda job: int(job.facts["number"]))

    @property
    def newest(self) -> RoundJob | None:
        rounds = self.rounds
        return rounds[-1] if rounds else None


def every_round(journal: JournalReader) -> dict[str, RoundJob]:
    jobs: dict[str, RoundJob] = {}
    for event in journal.events():
        jobs[event.job] = advance(jobs.get(event.job, RoundJob(event.job)), event.kind, event.data)
    return jobs
