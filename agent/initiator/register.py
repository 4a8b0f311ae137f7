"""The initiator's rounds, folded from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.core.round import RoundJob, State, advance
from agent.errors import Refused
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

    def round(self, number: int) -> RoundJob:
        return self.job(round_id(number))

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

    def following(self, what: str, restores: str | None = None) -> int:
        """The number of the round that comes next, on its way or not begun. `restores`: the CID of the round whose
        weights it has; None: it fuses. The round that restores it already, where that is the newest. Raises Refused
        while no round is open, and while one is on its way that came about otherwise."""
        newest = self.newest
        if newest is None or (newest.id == round_id(0) and newest.state is not State.OPEN):
            raise Refused(what=what, why="no round is open: run `milepost initiator publish`")
        number, again = int(newest.facts["number"]), newest.facts.get("restores")
        if newest.state is State.OPEN:
            return number if restores and restores == again else number + 1
        if restores != again:
            command = f"milepost initiator restore {again}" if again else "milepost initiator close"
            raise Refused(what=what, why=f"round {number} is on its way: run `{command}` first")
        return number


def round_id(number: int) -> str:
    """Of its job."""
    return f"round-{number}"


def every_round(journal: JournalReader) -> dict[str, RoundJob]:
    jobs: dict[str, RoundJob] = {}
    for event in journal.events():
        jobs[event.job] = advance(jobs.get(event.job, RoundJob(event.job)), event.kind, event.data)
    return jobs
