"""Forfeited stakes, and how they are shared out (PROTOCOL section 6)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.documents import Purse, Share
from agent.core.ids import AccountId
from agent.core.money import UNIT, Stroops

MAX_SHARES = 99
"""Payments in a record of shares: its transaction holds 100 operations, and one names the record."""
LONGEST_LEAP = 1000
"""Rounds that may be published between two records. A number beyond is believed of nobody: it would end all sharing
until the model has come so far."""


def begun(purse: Purse, newest: int) -> Purse:
    """The purse once a round is published: the first record after that, of whatever kind, puts all that is forfeited
    by then into the pot. What is forfeited later is for the next round's publication."""
    if not purse.round < newest <= purse.round + LONGEST_LEAP:
        return purse
    return Purse(forfeited=purse.forfeited, round=newest, pot=purse.forfeited)


def shares(pot: Stroops, credits: Mapping[AccountId, Stroops], base: Stroops) -> list[Share]:
    """By credit, rounded down, in the order of the vehicles' accounts. Together never more than the pot, and each never
    more than `base` for 1.0 of credit: who is alone in a round with next to no credit gets next to nothing. The rest
    stays forfeited, for the next sharing."""
    total = sum(credits.values())
    most = min(pot, base * total // UNIT)
    amounts = [(vehicle, most * credit // total) for vehicle, credit in sorted(credits.items())]
    return [Share(vehicle=vehicle, amount=amount) for vehicle, amount in amounts if amount]
