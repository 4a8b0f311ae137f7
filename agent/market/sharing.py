"""Whom forfeited stakes are shared among (PROTOCOL section 6): the vehicles whose contributions made the next round.

The measure is credit. Everybody computes the same: the shares (`core.purse`) follow from the round's lineage, each part
of it checked against the chain of records, and from what was forfeited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from agent.core.ids import AccountId, CidText
from agent.core.money import Stroops
from agent.core.round import Round
from agent.errors import Malformed
from agent.market import records
from agent.market.bundle import Shelf


def credits(shelf: Shelf, newest: CidText | None, round_: Round) -> Mapping[AccountId, Stroops]:
    """Vehicle → VLM stroops that it was paid, for what a round was fused from, by the records from `newest` back.
    Raises as `by_contribution`."""
    found: Counter[AccountId] = Counter()
    for (_, vehicle), credit in by_contribution(shelf, newest, round_).items():
        found[vehicle] += credit
    return +found


def by_contribution(shelf: Shelf, newest: CidText | None, round_: Round) -> dict[tuple[CidText, AccountId], Stroops]:
    """(contribution, vehicle) → VLM stroops. Raises Unavailable; Malformed when the lineage names anything but entries
    of the rounds before it that were to be fused, once."""
    taking = shelf.taking(round_.previous) if round_.previous else {}
    fused = {part.cid for before in taking.values() for part in before.lineage}
    wanted = {(part.cid, part.vehicle) for part in round_.lineage}
    paid = _paid(shelf, newest, taking, wanted) if taking else {}
    for part in round_.lineage:
        if part.cid in fused or (part.cid, part.vehicle) not in paid:
            raise Malformed(what=f"the lineage of round {round_.number}", why=f"{part.cid} has no place in it")
        fused.add(part.cid)
    return paid


def _paid(
    shelf: Shelf, newest: CidText | None, taking: Mapping[CidText, Round], wanted: set[tuple[CidText, AccountId]]
) -> dict[tuple[CidText, AccountId], Stroops]:
    """(contribution, vehicle) → credit, of those that are wanted and have a voice, on one of these rounds."""
    oldest, paid = min(r.number for r in taking.values()), dict[tuple[CidText, AccountId], Stroops]()
    for _, record in records.chain(shelf, newest):
        if record.purse.round < oldest or wanted <= paid.keys():
            break  # a record names the newest round of its time: before that none of them was published
        if record.round in taking:
            found = {(e.contribution, e.vehicle): e.credit for e in record.entries if e.has_voice}
            paid |= {key: found[key] for key in found.keys() & wanted}
    return paid
