"""Forfeited stakes, shared among the vehicles whose contributions made the next round (PROTOCOL section 6).

The measure is credit. Everybody computes the same: the shares follow from the round's lineage, each part of it checked
against the record that settled it, and from what was forfeited.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from agent.core.cid import Cid
from agent.core.documents import Purse, Round, Share
from agent.core.money import Stroops
from agent.errors import Malformed
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf

MAX_SHARES = 100
"""Payments that one transaction may hold."""


def begun(purse: Purse, newest: int) -> Purse:
    """The purse once a round is published: the first record after that, of whatever kind, puts all that is forfeited
    by then into the pot. What is forfeited later is for the next round's publication."""
    if purse.round >= newest:
        return purse
    return Purse(forfeited=purse.forfeited, round=newest, pot=purse.forfeited)


def shares(pot: Stroops, credits: Mapping[str, Stroops]) -> list[Share]:
    """By credit, rounded down, in the order of the vehicles' accounts. Together never more than the pot; what rounding
    leaves stays forfeited, for the next sharing."""
    total = sum(credits.values())
    amounts = [(vehicle, pot * credit // total) for vehicle, credit in sorted(credits.items())]
    return [Share(vehicle=vehicle, amount=amount) for vehicle, amount in amounts if amount]


def credits(horizon: Horizon, shelf: Shelf, round_: Round) -> Mapping[str, Stroops]:
    """Vehicle → VLM stroops that it was accepted with, for what a round was fused from. Raises Unavailable; Malformed
    when the lineage names anything but accepted entries of the rounds before it, once."""
    taking = shelf.taking(round_.previous) if round_.previous else {}
    fused = {part.cid for before in taking.values() for part in before.lineage}
    by_settlement = defaultdict(list)
    for part in round_.lineage:
        by_settlement[part.settlement].append(part)
    found: Counter[str] = Counter()
    for settlement, parts in by_settlement.items():
        base, accepted = _accepted(horizon, shelf, round_.settlement, settlement)
        for part in parts:
            if base not in taking or part.cid in fused or (part.cid, part.vehicle) not in accepted:
                raise Malformed(what=f"the lineage of round {round_.number}", why=f"{part.cid} has no place in it")
            fused.add(part.cid)
            found[part.vehicle] += accepted[part.cid, part.vehicle]
    return found


def _accepted(
    horizon: Horizon, shelf: Shelf, account: str, settlement: str
) -> tuple[str, dict[tuple[str, str], Stroops]]:
    """(the round, (contribution, vehicle) → credit) of a settlement transaction's record."""
    transaction = horizon.find(settlement)
    if transaction is None or not transaction.successful or transaction.source != account:
        raise Malformed(what="a lineage", why=f"{settlement} is no settlement")
    memo = opened(transaction.envelope, horizon.passphrase).memo
    record = shelf.record(str(Cid.v0(memo or b"")))
    return record.round, {(e.contribution, e.vehicle): e.credit for e in record.entries if e.outcome == "accepted"}
