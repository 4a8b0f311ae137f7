"""Restoring: an earlier round's weights as the newest round, where what came after has turned out worse."""

from __future__ import annotations

from agent.core.round import RoundJob, State
from agent.errors import Refused
from agent.initiator.fusing import models
from agent.initiator.press import Edition, Press
from agent.market import bundle


def restore(press: Press, cid: str) -> RoundJob:
    """Publish the weights of round `cid` again, as the round after the newest, under the plan as it is now. Goes on
    where an earlier call stopped; asked once more when it is done, it does nothing.

    What was staked on the round that is left still counts, as on any round before the newest.
    """
    what, newest = f"restoring {cid}", press.register.newest
    if newest is None or (newest.id == "round-0" and newest.state is not State.OPEN):
        raise Refused(what=what, why="no round is open: run `milepost initiator publish`")
    number, again = int(newest.facts["number"]), newest.facts.get("restores")
    if again == cid and newest.state is not State.PLANNED:
        return press.offer(number)
    if newest.state is not State.OPEN and again != cid:
        unfinished = f"`milepost initiator restore {again}`" if again else "`milepost initiator close`"
        raise Refused(what=what, why=f"round {number} is on its way: run {unfinished} first")
    left = newest if newest.state is State.OPEN else press.register.job(f"round-{number - 1}")
    before = press.shelf.round(str(left.facts["cid"]))
    if cid == left.facts["cid"]:
        raise Refused(what=what, why="it is the newest round")
    if press.shelf.round(cid).model != before.model:
        raise Refused(what=what, why=f"it is a round of {press.shelf.round(cid).model}, not of {before.model}")
    if cid not in {job.facts.get("cid") for job in press.register.rounds}:
        raise Refused(what=what, why="it was never published from here")
    folder = press.shelf.get(cid, bundle.ROUND_LIMITS)
    edition = Edition(
        number=before.number + 1,
        weights=(folder / bundle.WEIGHTS).read_bytes(),
        models=models(press.shelf, cid),
        previous=before,
        previous_cid=str(left.facts["cid"]),
        restores=cid,
    )
    return press.publish(edition)
