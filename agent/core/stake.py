"""Stakes and strikes (PROTOCOL section 7): what a vehicle must put at risk, from the ledger's history alone."""

from __future__ import annotations

from fractions import Fraction

from agent.core.money import MAX_STROOPS, Stroops
from agent.core.round import StakeSchedule


def stake_due(schedule: StakeSchedule, strikes: int, is_new: bool = False) -> Stroops:
    """base x growth^strikes, rounded up to whole stroops; for an account without history at least base x newcomer.
    Vehicle and validator compute the same number."""
    times = Fraction(schedule.growth) ** min(strikes, 64)
    if is_new and schedule.newcomer is not None:
        times = max(times, Fraction(schedule.newcomer))
    due = schedule.base * times
    return min(-(-due.numerator // due.denominator), MAX_STROOPS)
