"""An offer is chosen: its round is fetched."""

from __future__ import annotations

from agent.core.jobs.contribution import Fetched, Job
from agent.market import bundle
from agent.vehicle.context import Events, StepContext


def fetch(context: StepContext, job: Job) -> Events:
    """Bring the round's bundle onto the shelf, every block checked.

    Twice is harmless: the shelf holds what was fetched before.

    Raises Refused, Malformed: it is not what its CID or its document says.
    """
    context.shelf.get(job.choice.round, bundle.ROUND_LIMITS)
    return [Fetched()]
