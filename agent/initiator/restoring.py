"""Restoring: an earlier round's weights as the newest round, where what came after has turned out worse."""

from __future__ import annotations

from agent.core.ids import CidText
from agent.core.jobs.round import RoundJob, Signed
from agent.errors import Refused
from agent.initiator.fusing import models
from agent.initiator.publishing import Publisher, RoundDraft
from agent.market import bundle


def restore(publisher: Publisher, cid: CidText) -> RoundJob:
    """Publish the weights of round `cid` again, as the round after the newest, under the plan as it is now. Goes on
    where an earlier call stopped; asked once more when it is done, it does nothing.

    What was staked on the round that is left still counts, as on any round before the newest.
    """
    number = publisher.book.following(f"restoring {cid}", cid)
    return publisher.publish(number, lambda: _edition(publisher, number, cid))


def _edition(publisher: Publisher, number: int, cid: CidText) -> RoundDraft:
    """Round `number`, with the weights of round `cid`. Raises Refused."""
    what, left = f"restoring {cid}", publisher.book.round(number - 1)
    before = publisher.shelf.round(left.cid)
    if cid == left.cid:
        raise Refused(what=what, why="it is the newest round")
    if publisher.shelf.round(cid).model != before.model:
        raise Refused(what=what, why=f"it is a round of {publisher.shelf.round(cid).model}, not of {before.model}")
    if cid not in {job.cid for job in publisher.book.rounds if job.newest(Signed)}:
        raise Refused(what=what, why="it was never published from here")
    folder = publisher.shelf.get(cid, bundle.ROUND_LIMITS)
    return RoundDraft(
        number=number,
        weights=(folder / bundle.WEIGHTS).read_bytes(),
        models=models(publisher.shelf, cid),
        previous=before,
        previous_cid=left.cid,
        restores=cid,
    )
