"""The entry is in a ledger: what the committee makes of it."""

from __future__ import annotations

from agent.core.jobs.contribution import Job
from agent.vehicle.context import Events, StepContext


def watch(context: StepContext, job: Job) -> Events:
    """Look whether the stake is still there, and if not, what became of it (`agent.vehicle.verdict`).

    Twice is harmless: it reads.

    Raises LedgerUnavailable, while nothing says for certain what became of it.
    """
    return context.verdicts.of(job, context.terms(job))
