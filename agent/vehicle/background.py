"""One step at a time, beside the loop: which job's step is due, when to try again, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf

from agent.core.jobs.contribution import Job, Lapsed, Refused, Step
from agent.core.jobs.fold import owed
from agent.core.pauses import Backoff
from agent.errors import MilepostError, TryAgain, Unavailable
from agent.files import DiskFails
from agent.ports import Wake, nobody
from agent.vehicle.verdict import Events

WAIT_S = Backoff(1.0, 10.0)
"""Pauses before a step that had nothing to say is asked again."""
VERDICT_S = Backoff(6.0, 10.0)
"""The same for a verdict, which cannot come sooner than the next ledger."""
FAULT_S = Backoff(1.0, 120.0)
"""The same after a step that failed."""
SIGNING = (Step.SIGN, Step.CLOSE)
"""Steps that build an envelope: not while another job's could still apply."""
BACKWARDS = (Refused, Lapsed)
"""Events after which an envelope is built anew."""
BACKWARDS_S = Backoff(5.0, 3600.0)
"""Pauses before that: each try costs a fee."""


@dataclass(frozen=True, slots=True)
class Pause:
    until: float
    length: float
    step: Step


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step brought: events to write down, or the sentence why there are none."""

    job: Job
    step: Step
    events: Events
    trouble: MilepostError | None = None


class BackgroundSteps:
    """Runs steps in a thread of its own, by `do` (`agent.vehicle.steps`). For one caller, which writes the events
    down. `wake` is told when a step is over."""

    def __init__(self, do: Callable[[Job, Step], Events], wake: Wake = nobody) -> None:
        self._do, self._wake = do, wake
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="step")
        self._running: Future[StepOutcome] | None = None
        self._pauses: dict[str, Pause] = {}

    @property
    def idle(self) -> bool:
        return self._running is None

    def send(self, jobs: Iterable[Job], in_flight: Job | None, barred: Collection[Step], now: float) -> None:
        """Start the first step that is due, if none runs."""
        if self._running is not None:
            return
        for job in jobs:
            step = owed(job)
            if step is None or step is Step.TRAIN or self._waits(job, now):
                continue
            if step in barred or (step in SIGNING and in_flight is not None):
                continue
            self._running = self._worker.submit(self._run, job, step)
            self._running.add_done_callback(lambda _: self._wake())
            return

    def due(self, now: float) -> float:
        """When the next pause is over; inf: none will be. What is due and was not sent waits for something else."""
        return min((pause.until for pause in self._pauses.values() if pause.until > now), default=inf)

    def poll(self) -> StepOutcome | None:
        """What the finished step brought, or None. Stays until `done`, so that nothing is lost when it cannot be
        written down yet."""
        if self._running is None or not self._running.done():
            return None
        return self._running.result()

    def done(self, outcome: StepOutcome, now: float) -> None:
        """The outcome was dealt with."""
        self._running = None
        if outcome.events and not isinstance(outcome.events[-1], BACKWARDS):
            self._pauses.pop(outcome.job.id, None)
            return
        backoff = BACKWARDS_S if outcome.events else FAULT_S if outcome.trouble else WAIT_S
        if backoff is WAIT_S and outcome.step is Step.WATCH:
            backoff = VERDICT_S
        before = self._pauses.get(outcome.job.id)
        length = backoff.after(before.length if before else 0.0)
        self._pauses[outcome.job.id] = Pause(now + length, length, outcome.step)

    def hurry(self) -> None:
        """Something changed in the car: ask again without waiting, but for verdicts, which are the ledger's."""
        self._pauses = {job: pause for job, pause in self._pauses.items() if pause.step is Step.WATCH}

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _waits(self, job: Job, now: float) -> bool:
        pause = self._pauses.get(job.id)
        return pause is not None and now < pause.until

    def _run(self, job: Job, step: Step) -> StepOutcome:
        try:
            return StepOutcome(job, step, self._do(job, step))
        except MilepostError as error:
            return StepOutcome(job, step, [], error)
        except OSError as error:
            path, why = error.filename or "this job's files", error.strerror or str(error)
            return StepOutcome(job, step, [], DiskFails(path=path, why=why))
        except Exception as error:  # what a stranger's bytes led to ends no daemon: this job waits, the others go on
            return StepOutcome(
                job, step, [], Unforeseen(step=step.value, kind=type(error).__name__, why=str(error)[:160])
            )


class Unforeseen(MilepostError):
    """The step {step} came to nothing: {kind} ({why}). It is a fault of this program. Nothing is lost; it is tried
    again after a while."""


def is_waiting(error: MilepostError) -> bool:
    """Whether time alone may mend it, so that it deserves a warning and not an alarm."""
    return isinstance(error, (Unavailable, TryAgain))
