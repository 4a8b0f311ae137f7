"""Whether a committee has said of a round that it is what its lineage says, as its chain of records has it."""

from __future__ import annotations

from agent.core.ids import CidText
from agent.core.ledger import Account
from agent.core.round import Round
from agent.market import records
from agent.market.bundle import Shelf


def lacking(account: Account | None, shelf: Shelf, cid: CidText, round_: Round) -> str:
    """Why nobody should work on a round, as a sentence, or '': two thirds have attested neither it nor the one before,
    and no later one. The round before a second one is a first, which says nothing that could be false. `account`: the
    round's settlement account. Raises Unavailable, Malformed."""
    if round_.number < 2:
        return ""
    newest = records.newest(account) if account is not None else None
    step = shelf.record(newest).attested if newest is not None else None
    while step is not None and step not in (cid, round_.previous):
        attested = shelf.round(step)
        step = attested.previous if attested.number > round_.number else None
    return (
        "" if step is not None else f"its committee has not attested round {round_.number - 1}, which it follows from"
    )
