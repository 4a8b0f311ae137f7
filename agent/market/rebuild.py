"""A round made again from its lineage: by its initiator as it fuses, by whoever audits it, and by each validator before
it serves it.

The same parts, in the order of their CIDs, give the same bytes on every machine: weights exact, arithmetic in a fixed
order (`learn.fusion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.documents import Contribution
from agent.core.ids import AccountId, CidText, TxHash
from agent.core.money import Stroops
from agent.core.round import Lineage, Round
from agent.errors import Malformed, Refused
from agent.learn import checkpoint, fusion, update, weights
from agent.market import bundle, sealed, sharing

if TYPE_CHECKING:
    from stellar_sdk import Keypair


@dataclass(frozen=True, slots=True)
class Voice:
    """One contribution that is to be fused, by the committee's word, and what it weighs."""

    cid: CidText
    vehicle: AccountId
    base: CidText
    weight: Decimal
    """1, divided by 1 + the rounds that its base is old."""
    settlement: TxHash
    proof: CidText | None = None
    """Bundle of the record and the transaction that settled it."""
    credit: Stroops = 0
    """VLM stroops that it was paid."""


def delta(shelf: bundle.Shelf, part: Voice, key: bytes) -> weights.Weights:
    """What an update says: the difference to the round it was trained on. Raises Malformed."""
    return update.decode(shelf.opened(part.cid, key), values(shelf, part.base))


def fuse(
    shelf: bundle.Shelf,
    cid: CidText,
    parts: Sequence[Voice],
    deltas: Mapping[CidText, weights.Weights],
    taken: fusion.Taken,
) -> weights.Weights:
    """What comes after round `cid`."""
    return fusing(shelf, cid, parts, deltas).weights(taken)


def fusing(
    shelf: bundle.Shelf, cid: CidText, parts: Sequence[Voice], deltas: Mapping[CidText, weights.Weights]
) -> fusion.Fusing:
    """All that may come after round `cid`, by how much of the step is taken."""
    in_order = sorted(parts, key=lambda part: part.cid)
    round_ = shelf.round(cid)
    momentum = fusion.Momentum.of(round_, lambda before: values(shelf, before))
    in_turn, shares = [deltas[part.cid] for part in in_order], [part.weight for part in in_order]
    return fusion.Fusing(round_.fusion, values(shelf, cid), in_turn, shares, momentum)


def weight_of(age: int) -> Decimal:
    """What a contribution weighs whose base is `age` rounds older than the round that is closed: to seven places."""
    return (1 / Decimal(1 + age)).quantize(Decimal("1e-7")).normalize()


def counted(contribution: Contribution, base: Round, credit: Stroops) -> tuple[AccountId | None, int | None]:
    """The validator that a contribution counts for, and with how many samples: those that it was credited for, at most
    as many as its round's steps draw."""
    if contribution.validator is None or not credit:
        return None, None
    return contribution.validator, min(contribution.samples, base.recipe.steps * base.recipe.batch)


def values(shelf: bundle.Shelf, cid: CidText) -> weights.Weights:
    """A round's weights."""
    return checkpoint.read_weights(shelf.get(cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS)


def falsehood(shelf: bundle.Shelf, cid: CidText, record: CidText | None, reader: Keypair) -> str:
    """How a round is not what its lineage and the committee's records, from `record` back, make of the one before it,
    as a sentence, or ''. `reader`: a member of the committee that judged what is fused, who can open every update.

    Nothing is asked of the ledger. Raises Unavailable.
    """
    round_ = shelf.round(cid)
    if round_.previous is None:
        return "it is a first round, and says that something was fused" if round_.lineage or round_.restores else ""
    if round_.restores is not None:
        return _not_restored(shelf, cid, round_.previous, round_.restores)
    if not round_.lineage:
        return "it neither fuses nor restores anything"
    try:
        paid = sharing.by_contribution(shelf, record, round_)
        parts = {p.cid: _voice(shelf, p, round_.previous, paid[p.cid, p.vehicle]) for p in round_.lineage}
        deltas = {part.cid: delta(shelf, parts[part.cid], _key(shelf, part, reader)) for part in round_.lineage}
        taken = fusion.Taken.of(round_.step, round_.strangers)
        again = weights.dump(fuse(shelf, round_.previous, list(parts.values()), deltas, taken))
    except Refused as error:
        return str(error)
    if again != (shelf.get(cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes():
        return f"{bundle.WEIGHTS} is not what its lineage gives"
    return _unlike(shelf, cid, round_.previous, bundle.GRAPH, bundle.TEACHER)


def _not_restored(shelf: bundle.Shelf, cid: CidText, before: CidText, origin: CidText) -> str:
    step: CidText | None = before
    while step is not None and step != origin:
        step = shelf.round(step).previous
    if step is None:
        return f"{origin}, which it restores, is no round before it"
    return _unlike(shelf, cid, origin, bundle.WEIGHTS, bundle.GRAPH, bundle.TEACHER)


def _voice(shelf: bundle.Shelf, part: Lineage, before: CidText, credit: Stroops) -> Voice:
    """Raises Refused, Unavailable."""
    taking, contribution = shelf.taking(before), shelf.contribution(part.cid)
    base = taking.get(contribution.base)
    if base is None or contribution.vehicle != part.vehicle:
        raise Malformed(what=f"the contribution {part.cid}", why="its base or its vehicle is not what the lineage says")
    if part.weight != weight_of(taking[before].number - base.number):
        raise Malformed(what=f"the contribution {part.cid}", why=f"{part.weight} is not what it weighs")
    if (part.validator, part.samples) != counted(contribution, base, credit):
        raise Malformed(
            what=f"the contribution {part.cid}", why="it counts for another validator, or for other samples"
        )
    if (part.key is None) == (base.privacy == "open"):
        raise Malformed(what=f"the contribution {part.cid}", why=f"its round is {base.privacy}, its key is not")
    return Voice(part.cid, part.vehicle, contribution.base, part.weight, part.settlement)


def _key(shelf: bundle.Shelf, part: Lineage, reader: Keypair) -> bytes:
    """Raises Malformed."""
    return bytes.fromhex(part.key) if part.key is not None else sealed.key(shelf.contribution(part.cid).keys, reader)


def _unlike(shelf: bundle.Shelf, cid: CidText, other: CidText, *names: str) -> str:
    mine, theirs = (shelf.get(each, bundle.ROUND_LIMITS) for each in (cid, other))
    return next(
        (f"its {name} is not that of {other}" for name in names if _read(mine / name) != _read(theirs / name)), ""
    )


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
