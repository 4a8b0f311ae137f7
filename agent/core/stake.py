"""Stakes and strikes (PROTOCOL section 7): what a vehicle must put at risk, from the ledger's history alone."""

from __future__ import annotations

from fractions import Fraction

from agent.core.money import MAX_STROOPS, Stroops
from agent.core.round import StakeSchedule


def stake_due(schedule: StakeSchedule, strikes: int) -> Stroops:
    """base x growth^strikes, rounded up to whole stroops; vehicle and validator compute the same number."""
    due = schedule.base * Fraction(schedule.growth) ** min(strikes, 64)
    return min(-(-due.numerator // due.denominator), MAX_STROOPS)
