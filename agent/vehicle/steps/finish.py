"""The car has arrived: what was learnt becomes a contribution, and that is stored."""

from __future__ import annotations

from agent.core.jobs.contribution import Job, Passed, Stored
from agent.errors import Unavailable
from agent.vehicle.context import Events, StepContext


def finish(context: StepContext, job: Job) -> Events:
    """End training, encode the update, seal it, and lay the contribution's files in the job's folder. A trip that came
    to nothing ends here.

    Twice is harmless: the trainer's last checkpoint gives the same result again, and files are replaced whole.

    Raises Malformed, where the round's or the trainer's weights cannot be read.
    """
    return context.builder.finish(job)


def store(context: StepContext, job: Job) -> Events:
    """Put the contribution's files into the content store. While that is away the round is asked for: a job whose round
    has closed ends.

    Twice is harmless: the same bytes have the same CID. What a card has changed of them is made again: its stake would
    be lost.

    Raises Refused, where the store will not have them.
    """
    try:
        cid = context.shelf.store.put(context.builder.contribution(job))
    except Unavailable:
        if closed := context.closed(context.round(job), context.horizon.head()):
            return [Passed(closed)]
        raise
    return [Stored(cid.text)]
