"""Closing a round: what the ledger says was accepted, fused by the round's rule, published if it is better.

Anybody with the round's lineage and the updates' keys can do the same again, byte for byte: contributions in the order
of their CIDs, weights exact, arithmetic in a fixed order (`learn.fusion`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agent.core.cid import Cid
from agent.core.documents import Figure, Lineage, Round
from agent.core.money import UNIT
from agent.core.round import RoundJob, State
from agent.errors import Refused, TryAgain
from agent.initiator.press import Press
from agent.learn import fusion, update, weights
from agent.ledger.envelope import opened
from agent.market import bundle


@dataclass(frozen=True, slots=True)
class Accepted:
    """One contribution that the committee accepted."""

    cid: str
    vehicle: str
    credit: int
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


class NothingAccepted(TryAgain):
    """No contribution to round {number} has been accepted yet, so there is nothing to fuse"""


def close(press: Press) -> Fused:
    """Fuse the newest round's accepted contributions and publish the next. Goes on where an earlier call stopped."""
    job = press.register.newest
    if job is None or job.state not in (State.OPEN, State.STORED, State.SIGNED, State.PLANNED):
        raise Refused(what="closing a round", why="no round is open: run `milepost initiator publish`")
    number = int(job.facts["number"])
    if job.state is not State.OPEN:  # the last close stopped while it was publishing
        number -= 1
        job = press.register.job(f"round-{number}")
    cid = str(job.facts["cid"])
    round_ = press.shelf.round(cid)
    folder = press.shelf.get(cid, bundle.ROUND_LIMITS)
    parts = tuple(sorted(accepted(press, round_, cid), key=lambda part: part.cid))
    if not parts:
        raise NothingAccepted(number=number)
    base = weights.load((folder / bundle.WEIGHTS).read_bytes())
    fused = refuse(press, round_, base, parts)
    _, after = press.measure(fused, folder / bundle.GRAPH)
    before = round_.figure or press.measure(base, folder / bundle.GRAPH)[1]
    if not _is_better(before, after):
        return Fused(number, before, after, parts, None)
    lineage = tuple(
        Lineage(cid=p.cid, vehicle=p.vehicle, weight=Decimal(p.credit) / UNIT, settlement=p.settlement) for p in parts
    )
    following = press.publish(number + 1, weights.dump(fused), folder / bundle.GRAPH, round_, lineage, previous_cid=cid)
    if job.state is State.OPEN:
        press.register.record(job.id, "closed", {"next": following.facts["cid"]}, time.time())
    return Fused(number, before, after, parts, following)


def refuse(press: Press, round_: Round, base: weights.Weights, parts: tuple[Accepted, ...]) -> weights.Weights:
    """Fuse again: the same parts give the same bytes."""
    deltas = [update.decode(press.shelf.update(part.cid, press.keypair), base) for part in parts]
    return fusion.fuse(round_.fusion, base, deltas, [part.credit for part in parts])


def accepted(press: Press, round_: Round, round_cid: str) -> Iterator[Accepted]:
    """Every accepted entry of a round, from the records that the settlement account's transactions anchor."""
    for transaction in press.horizon.history(round_.settlement, newest_first=True):
        envelope = opened(transaction.envelope, press.horizon.passphrase)
        if transaction.source != round_.settlement or envelope.memo is None:
            continue
        record = press.shelf.record(str(Cid.v0(envelope.memo)))
        if record.round == round_cid:
            for entry in record.entries:
                if entry.outcome == "accepted":
                    yield Accepted(entry.contribution, entry.vehicle, entry.credit, transaction.hash)
        elif record.index == 0:
            return


def _is_better(before: Figure, after: Figure) -> bool:
    return after.value < before.value if after.better == "lower" else after.value > before.value
