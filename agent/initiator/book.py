"""The initiator's rounds, the settlement account and the draw before them, and what was added to pledges, folded from
its journal."""

from __future__ import annotations

from agent.core.ids import AccountId, CidText
from agent.core.jobs.addition import Addition
from agent.core.jobs.draw import DrawJob
from agent.core.jobs.round import RoundJob, RoundState
from agent.core.jobs.settlement import SettlementJob
from agent.errors import Refused
from agent.journal import Journal
from agent.journal.book import Book

SETTLEMENT = "settlement"
DRAW = "draw"
PLEDGE = "pledge-"
Job = RoundJob | SettlementJob | DrawJob | Addition


class RoundBook(Book[Job]):
    """Closed rounds are kept too: what comes next is fused from them, or restores one."""

    def __init__(self, journal: Journal) -> None:
        self._over: dict[str, Job] = {}
        super().__init__(journal, new_job)

    @property
    def jobs(self) -> dict[str, Job]:
        return self._over | self.open

    def job(self, job_id: str) -> Job:
        """The job of this id, over or not, or a new one."""
        return self._over.get(job_id) or super().job(job_id)

    def round(self, number: int) -> RoundJob:
        job = self.job(round_id(number))
        assert isinstance(job, RoundJob)  # noqa: S101  (by its id)
        return job

    @property
    def account(self) -> SettlementJob:
        job = self.job(SETTLEMENT)
        assert isinstance(job, SettlementJob)  # noqa: S101  (by its id)
        return job

    def draw(self, number: int) -> DrawJob:
        """Of the committee that sits from round `number` on."""
        job = self.job(f"{DRAW}-{number}" if number else DRAW)
        assert isinstance(job, DrawJob)  # noqa: S101  (by its id)
        return job

    def sits_since(self, number: int) -> int:
        """The round from which on the committee of round `number` sits, by the draws that were made."""
        made = [id for id, job in self.jobs.items() if isinstance(job, DrawJob) and job.is_over]
        since = [int(id.removeprefix(DRAW).removeprefix("-") or 0) for id in made]
        return max((each for each in since if each <= number), default=0)

    @property
    def additions(self) -> list[Addition]:
        """To pledges, oldest first."""
        found = [job for job in self.jobs.values() if isinstance(job, Addition)]
        return sorted(found, key=lambda job: int(job.id.removeprefix(PLEDGE)))

    def addition(self, job_id: str) -> Addition:
        job = self.job(job_id)
        assert isinstance(job, Addition)  # noqa: S101  (by its id)
        return job

    @property
    def settlement(self) -> AccountId | None:
        """The settlement account, once it is on the ledger."""
        return self.account.account if self.account.state is RoundState.OPEN else None

    @property
    def rounds(self) -> list[RoundJob]:
        """Oldest first."""
        found = [job for job in self.jobs.values() if isinstance(job, RoundJob)]
        return sorted(found, key=lambda job: job.number)

    @property
    def newest(self) -> RoundJob | None:
        rounds = self.rounds
        return rounds[-1] if rounds else None

    @property
    def open_round(self) -> RoundJob:
        """The newest that is open. Raises Refused."""
        found = [job for job in self.rounds if job.state is RoundState.OPEN]
        if not found:
            raise Refused(what="the newest round", why="no round is open: run `milepost initiator publish`")
        return found[-1]

    def following(self, what: str, restores: CidText | None = None) -> int:
        """The number of the round that comes next, on its way or not begun. `restores`: the CID of the round whose
        weights it has; None: it fuses. The round that restores it already, where that is the newest. Raises Refused
        while no round is open, and while one is on its way that came about otherwise."""
        newest = self.newest
        if newest is None or (newest.number == 0 and newest.state is not RoundState.OPEN):
            raise Refused(what=what, why="no round is open: run `milepost initiator publish`")
        number, again = newest.number, newest.plan.restores
        if newest.state is RoundState.OPEN:
            return number if restores and restores == again else number + 1
        if restores != again:
            command = f"milepost initiator restore {again}" if again else "milepost initiator close"
            raise Refused(what=what, why=f"round {number} is on its way: run `{command}` first")
        return number

    def _ended(self, job: Job) -> None:
        self._over[job.id] = job


def new_job(job_id: str) -> Job:
    """The job of this id, to which nothing has happened."""
    if job_id.startswith(PLEDGE):
        return Addition(job_id)
    if job_id.split("-")[0] == DRAW:
        return DrawJob(job_id)
    return SettlementJob(job_id) if job_id == SETTLEMENT else RoundJob(job_id)


def round_id(number: int) -> str:
    """Id of a round's job."""
    return f"round-{number}"
