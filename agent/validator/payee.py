"""Whether a vehicle can be paid what it is due."""

from __future__ import annotations

from agent.core.documents import Round
from agent.core.ledger import Account
from agent.core.money import UNIT, XLM, Asset, Stroops


def payable(vehicle: Account | None, round_: Round, stake: Stroops) -> bool:
    """Whether the vehicle can be given its stake back and a full credit: one payment that fails fails the whole
    settlement, everybody's."""
    wanted = {Asset.parse(round_.stake.asset): stake, round_.credit_asset: UNIT, XLM: 0}
    lines = {} if vehicle is None else vehicle.lines
    return all(a in lines and lines[a].authorized and lines[a].room >= amount for a, amount in wanted.items())
