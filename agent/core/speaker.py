"""Who proposes the next settlement: drawn by strength (Lugan et al., TCLearn, equation 1; PROTOCOL section 6).

D_i counts a validator's votes so far that agreed with what was settled. One settlement account has one speaker at a
time, for all of its business: its transactions use one row of sequence numbers, and two who speak at once undo each
other. The draw is seeded by the account and the number of the turn, so that anyone can recompute it, and nobody needs
to ask a ledger for it or can choose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.core.draw import picked, strengths
from agent.core.ids import AccountId


def drawn(committee: Sequence[AccountId], agreements: Mapping[AccountId, int], seed: str) -> AccountId:
    """By strength. Each validator's chance is its share of all strength."""
    return picked(strengths(committee, agreements), seed)


def on_turn(
    committee: Sequence[AccountId], agreements: Mapping[AccountId, int], settlement: AccountId, at: int, turn: int
) -> AccountId:
    """Who speaks for a settlement account at ledger time `at`; a turn is `turn` seconds."""
    return drawn(committee, agreements, f"{settlement}/{at // turn}")
