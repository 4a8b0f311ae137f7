"""Closing a round: what is to be fused by the committee's records, fused by the round's rule, published if its loss on
the global set falls beyond noise.

Anybody with the round's lineage and the updates' keys can do the same again, byte for byte: contributions in the order
of their CIDs, weights exact, arithmetic in a fixed order (`learn.fusion`). `initiator.audit` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.core.cid import Cid
from agent.core.ids import CidText
from agent.core.jobs.round import RoundJob, RoundState
from agent.core.round import Figure, Lineage, Round
from agent.errors import Refused, TryAgain, Unavailable
from agent.initiator.publishing import Publisher, RoundDraft
from agent.learn import judging, weights
from agent.learn.losses import ALL, falls
from agent.ledger.envelope import opened
from agent.market import bundle, rebuild, records, sealed
from agent.market.rebuild import Voice


@dataclass(frozen=True, slots=True)
class Fused:
    """What closing a round came to."""

    number: int
    before: Figure
    after: Figure
    contributions: tuple[CidText, ...]
    """Their CIDs."""
    published: RoundJob | None
    """The next round, or None when the loss did not fall beyond noise and the round stays as it is."""


class NotDue(TryAgain):
    """Round {number} has {fused} of {planned} contributions and {left} s to go. `--now` closes it all the same."""


class NotToBeHad(TryAgain):
    """The contribution {cid} is to be fused, and cannot be now: {why} The validators that signed its roll keep it too:
    wait, or leave it out with `milepost initiator close --without {cid}`. In {left} s it is left out anyway; the round
    after may still take it."""


def close(publisher: Publisher, now: bool = False, without: Collection[str] = ()) -> Fused:
    """Fuse what has a voice in the newest round and publish the next. Goes on where an earlier call stopped.

    Due when K contributions have or the round's length is over and there is one; `now` does with one.
    `without`: CIDs of contributions that are left out.
    """
    number = publisher.book.following("closing a round")
    try:
        job = publisher.publish(number, lambda: _edition(publisher, number, now, without))
    except _NoBetter as stays:
        return stays.fused
    made = publisher.document(number)
    after = made.figure or publisher.measure(*publisher.laid(number))[1]
    return Fused(number - 1, figure(publisher, publisher.book.round(number - 1).cid), after, _cids(made.lineage), job)


class _NoBetter(Exception):
    """No error: the round stays as it is."""

    def __init__(self, fused: Fused) -> None:
        self.fused = fused


def _edition(publisher: Publisher, number: int, now: bool, without: Collection[str]) -> RoundDraft:
    """Round `number`, fused from what has a voice in the one before. Raises NotDue, NotToBeHad, _NoBetter."""
    job = publisher.book.round(number - 1)
    cid = job.cid
    round_ = publisher.shelf.round(cid)
    publisher.heirs(round_)
    open_rounds = publisher.shelf.taking(cid)
    parts = sorted((p for p in voices(publisher, open_rounds) if p.cid not in without), key=lambda part: part.cid)
    left = _until_length(publisher, job, round_)
    if publisher.book.round(number).state is RoundState.NONE:
        _check_due(round_, len(parts), left, now)
    readable = _readable(publisher, parts, left + round_.review_window)
    parts = [part for part in parts if part.cid in readable]
    deltas = {part: change for part, (_, change) in readable.items()}
    graph_file = publisher.shelf.get(cid, bundle.ROUND_LIMITS) / bundle.GRAPH
    on_global = publisher.on_global(graph_file)
    at_base = on_global(rebuild.values(publisher.shelf, cid), ALL)
    best = judging.best(rebuild.fusing(publisher.shelf, cid, parts, deltas).weights, on_global, round_.fusion, at_base)
    before, (_, after) = figure(publisher, cid), publisher.measure(best.weights, graph_file)
    if not falls(at_base, best.losses):
        raise _NoBetter(Fused(round_.number, before, after, _cids(parts), None))
    lineage = tuple(
        Lineage(
            cid=part.cid,
            vehicle=part.vehicle,
            weight=part.weight,
            settlement=part.settlement,
            proof=part.proof,
            **_named(publisher.shelf, part, open_rounds[part.base]),
            key=readable[part.cid][0].hex() if open_rounds[part.base].privacy == "open" else None,
        )
        for part in parts
    )
    return RoundDraft(
        number=number,
        weights=weights.dump(best.weights),
        models=models(publisher.shelf, cid),
        previous=round_,
        previous_cid=cid,
        lineage=lineage,
        taken=best.taken,
    )


def voices(publisher: Publisher, open_rounds: Mapping[CidText, Round]) -> Iterator[Voice]:
    """Every entry of these rounds that is to be fused, newest first, and is in none of them already, from the records
    that the settlement account's transactions anchor. Raises HistoryTooShort where not all of these are remembered."""
    newest, *before = open_rounds.values()
    ages = {cid: newest.number - round_.number for cid, round_ in open_rounds.items()}
    fused = {part.cid for round_ in open_rounds.values() for part in round_.lineage}
    oldest = publisher.book.round((before or [newest])[-1].number)
    since = oldest.publication.ledger  # nothing was entered on a round before it was published
    horizon = publisher.horizon.archive or publisher.horizon
    for transaction in horizon.history(newest.settlement, newest_first=True, since=since):
        envelope = opened(transaction.envelope, publisher.horizon.passphrase)
        if transaction.source != newest.settlement or envelope.memo is None:
            continue
        record = publisher.shelf.record(Cid.v0(envelope.memo).text)
        if record.round not in ages or not record.entries:
            continue
        proof = records.keep(record, transaction.envelope, publisher.store).text
        for entry in record.entries:
            if entry.has_voice and entry.contribution not in fused:
                weight = rebuild.weight_of(ages[record.round])
                yield Voice(
                    entry.contribution, entry.vehicle, record.round, weight, transaction.hash, proof, entry.credit
                )


def _named(shelf: bundle.Shelf, part: Voice, base: Round) -> dict[str, Any]:
    validator, samples = rebuild.counted(shelf.contribution(part.cid), base, part.credit)
    return {"validator": validator, "samples": samples}


def models(shelf: bundle.Shelf, cid: CidText) -> dict[str, Path]:
    """A round's graph, and its teacher where it has one."""
    folder = shelf.get(cid, bundle.ROUND_LIMITS)
    return {name: folder / name for name in (bundle.GRAPH, bundle.TEACHER) if (folder / name).is_file()}


def figure(publisher: Publisher, cid: CidText) -> Figure:
    """A round's figure as it states it, or else measured now."""
    graph = publisher.shelf.get(cid, bundle.ROUND_LIMITS) / bundle.GRAPH
    return publisher.shelf.round(cid).figure or publisher.measure(rebuild.values(publisher.shelf, cid), graph)[1]


def _readable(publisher: Publisher, parts: Sequence[Voice], left: int) -> dict[CidText, tuple[bytes, weights.Weights]]:
    """Contribution → its update's key, and what the update says. Raises NotToBeHad while `left` seconds are left to get
    one: then the others must not wait any longer, and it is left out. Never are all."""
    found = {}
    for part in parts:
        try:
            key = sealed.key(publisher.shelf.contribution(part.cid).keys, publisher.keypair)
            found[part.cid] = key, rebuild.delta(publisher.shelf, part, key)
        except (Unavailable, Refused) as error:
            if left > 0 or (part is parts[-1] and not found):
                raise NotToBeHad(cid=part.cid, why=str(error), left=max(0, left)) from None
            publisher.say(f"{part.cid} is left out: {error}")
    return found


def _cids(parts: Iterable[Voice] | Iterable[Lineage]) -> tuple[CidText, ...]:
    return tuple(part.cid for part in parts)


def _until_length(publisher: Publisher, job: RoundJob, round_: Round) -> int:
    """Seconds until the round's length is over; negative afterwards."""
    published = job.publication
    opened_at = published.closed_at or publisher.horizon.ledger(published.ledger).closed_at
    return opened_at + round_.length - publisher.horizon.head().closed_at


def _check_due(round_: Round, count: int, left: int, now: bool) -> None:
    """Raises NotDue."""
    if not count or (count < round_.contributions and left > 0 and not now):
        planned = round_.contributions
        raise NotDue(number=round_.number, fused=count, planned=planned, left=max(0, left))
