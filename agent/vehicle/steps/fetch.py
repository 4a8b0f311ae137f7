"""An offer is chosen: its round is fetched."""

from __future__ import annotations

from agent.core.jobs.contribution import Fetched, Job
from agent.market import bundle
from agent.vehicle.context import Events, StepContext


def fetch(context: StepContext, job: Job) -> Events:
    """Bring the round's bundle onto the shelf, every block checked.

    Twice is harmless: the shelf holds what was fetched before. What has rotted there since is fetched again.

    Raises Refused, Malformed: it is not what its CID or its document says.
    """
    cid = job.choice.round
    if context.shelf.holds(cid) and not context.shelf.is_sound(cid):
        context.shelf.drop(cid)
    context.shelf.get(cid, bundle.ROUND_LIMITS)
    return [Fetched()]
