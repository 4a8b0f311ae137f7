"""The journals of those who ask and of the arbiter, folded."""

from __future__ import annotations

from agent.core.ids import CidText
from agent.core.jobs.dispute import DisputeJob
from agent.core.jobs.hearing import Hearing
from agent.core.jobs.ruling import RulingJob
from agent.journal import Journal
from agent.journal.book import Book

ASKED = "disputes/asked.sqlite"
"""Under the state directory, in a folder of its own: the daemon's journal may be in use beside it."""
HEARD = "arbiter/heard.sqlite"
CURSOR = "cursor"
"""How far the arbiter's account has been read."""


class AskedBook(Book[DisputeJob]):
    """Every dispute is kept: whoever asks again is told what it was."""

    def __init__(self, journal: Journal) -> None:
        self.asked: dict[str, DisputeJob] = {}
        super().__init__(journal, DisputeJob)

    @property
    def jobs(self) -> list[DisputeJob]:
        return [*{**self.asked, **self.open}.values()]

    def job(self, job_id: str) -> DisputeJob:
        return self.asked.get(job_id) or super().job(job_id)

    def _ended(self, job: DisputeJob) -> None:
        self.asked[job.id] = job


def new_job(job_id: str) -> Hearing | RulingJob:
    """Transactions are 64 hex digits, rounds CIDs."""
    return RulingJob(job_id) if job_id.startswith("Qm") else Hearing(job_id)


class ArbiterBook(Book[Hearing | RulingJob]):
    """What is over is kept too: a payment is heard once, and a round is ruled on once."""

    def __init__(self, journal: Journal) -> None:
        self.over: dict[str, Hearing | RulingJob] = {}
        super().__init__(journal, new_job)

    def job(self, job_id: str) -> Hearing | RulingJob:
        return self.over.get(job_id) or super().job(job_id)

    def knows(self, transaction: str) -> bool:
        return transaction in self.open or transaction in self.over

    def ruling(self, cid: CidText) -> RulingJob:
        job = self.job(cid)
        assert isinstance(job, RulingJob)  # noqa: S101  (by its id)
        return job

    @property
    def hearings(self) -> list[Hearing]:
        return [job for job in {**self.over, **self.open}.values() if isinstance(job, Hearing)]

    def _ended(self, job: Hearing | RulingJob) -> None:
        self.over[job.id] = job
