"""Closing a round: what the ledger says was accepted, fused by the round's rule, published if it is better.

Anybody with the round's lineage and the updates' keys can do the same again, byte for byte: contributions in the order
of their CIDs, weights exact, arithmetic in a fixed order (`learn.fusion`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.core.cid import Cid
from agent.core.documents import Figure, Lineage, Round
from agent.core.money import UNIT
from agent.core.round import RoundJob, State
from agent.errors import Refused, TryAgain
from agent.initiator.press import Press
from agent.learn import checkpoint, fusion, update, weights
from agent.ledger.envelope import opened
from agent.market import bundle


@dataclass(frozen=True, slots=True)
class Accepted:
    """One contribution that the committee accepted, and what it weighs."""

    cid: str
    vehicle: str
    base: str
    weight: int
    """VLM stroops of credit, divided by 1 + the rounds that its base is old."""
    settlement: str


@dataclass(frozen=True, slots=True)
class Fused:
    """What closing a round came to."""

    number: int
    before: Figure
    after: Figure
    contributions: tuple[Accepted, ...]
    published: RoundJob | None
    """The next round, or None when the fusion was no better and the round stays as it is."""


class NotDue(TryAgain):
    """Round {number} has {accepted} of {planned} contributions and {left} s to go. `--now` closes it all the same."""


def close(press: Press, now: bool = False) -> Fused:
    """Fuse what was accepted for the newest round and publish the next. Goes on where an earlier call stopped.

    Due when K contributions are accepted or the round's length is over and there is one; `now` does with one.
    """
    job = press.register.newest
    if job is None:
        raise Refused(what="closing a round", why="no round is open: run `milepost initiator publish`")
    number = int(job.facts["number"])
    if job.state is not State.OPEN:  # the last close stopped while it was publishing
        number -= 1
        job = press.register.job(f"round-{number}")
    cid = str(job.facts["cid"])
    round_ = press.shelf.round(cid)
    parts = tuple(sorted(accepted(press, round_, cid), key=lambda part: part.cid))
    _check_due(press, job, round_, len(parts), now)
    folder = press.shelf.get(cid, bundle.ROUND_LIMITS)
    fused = refuse(press, round_, cid, parts)
    _, after = press.measure(fused, folder / bundle.GRAPH)
    before = round_.figure or press.measure(_weights(press, cid), folder / bundle.GRAPH)[1]
    if not _is_better(before, after):
        return Fused(number, before, after, parts, None)
    lineage = tuple(
        Lineage(cid=p.cid, vehicle=p.vehicle, weight=Decimal(p.weight) / UNIT, settlement=p.settlement) for p in parts
    )
    models = {name: folder / name for name in (bundle.GRAPH, bundle.TEACHER) if (folder / name).is_file()}
    following = press.publish(number + 1, weights.dump(fused), models, round_, lineage, previous_cid=cid)
    if job.state is State.OPEN:
        press.register.record(job.id, "closed", {"next": following.facts["cid"]}, time.time())
    return Fused(number, before, after, parts, following)


def refuse(press: Press, round_: Round, cid: str, parts: Sequence[Accepted]) -> weights.Weights:
    """Fuse again: the same parts give the same bytes. Each update is the difference to the round it was trained on."""
    deltas = [update.decode(press.shelf.update(part.cid, press.keypair), _weights(press, part.base)) for part in parts]
    return fusion.fuse(round_.fusion, _weights(press, cid), deltas, [part.weight for part in parts])


def accepted(press: Press, round_: Round, cid: str) -> Iterator[Accepted]:
    """Every accepted entry that is not fused yet, on this round or one it still takes entries for, from the records
    that the settlement account's transactions anchor."""
    ages, fused = _open_rounds(press, round_, cid)
    oldest = press.register.job(f"round-{round_.number - max(ages.values())}")
    for transaction in press.horizon.history(round_.settlement, newest_first=True):
        if transaction.ledger < int(oldest.facts["ledger"]):
            return  # nothing was entered on a round before it was published
        envelope = opened(transaction.envelope, press.horizon.passphrase)
        if transaction.source != round_.settlement or envelope.memo is None:
            continue
        record = press.shelf.record(str(Cid.v0(envelope.memo)))
        if record.round not in ages:
            continue
        for entry in record.entries:
            weight = entry.credit // (1 + ages[record.round])
            if entry.outcome == "accepted" and weight and entry.contribution not in fused:
                yield Accepted(entry.contribution, entry.vehicle, record.round, weight, transaction.hash)


def _open_rounds(press: Press, round_: Round, cid: str) -> tuple[dict[str, int], set[str]]:
    """(round → how many rounds old it is, contributions that are in one of them already)."""
    ages, fused = {cid: 0}, {part.cid for part in round_.lineage}
    step = round_.previous
    for age in range(1, round_.staleness + 1):
        if step is None:
            break
        ages[step] = age
        before = press.shelf.round(step)
        fused |= {part.cid for part in before.lineage}
        step = before.previous
    return ages, fused


def _check_due(press: Press, job: RoundJob, round_: Round, count: int, now: bool) -> None:
    """Raises NotDue. A round that was being closed when the last call stopped is due."""
    if job.state is not State.OPEN:
        return
    opened_at = press.horizon.ledger(int(job.facts["ledger"])).closed_at
    left = opened_at + round_.length - press.horizon.head().closed_at
    if not count or (count < round_.contributions and left > 0 and not now):
        planned = round_.contributions
        raise NotDue(number=round_.number, accepted=count, planned=planned, left=max(0, left))


def _weights(press: Press, cid: str) -> weights.Weights:
    return checkpoint.read_weights(press.shelf.get(cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS)


def _is_better(before: Figure, after: Figure) -> bool:
    return after.value < before.value if after.better == "lower" else after.value > before.value
