"""Who proposes the next settlement (PROTOCOL section 6, after TCLearn's draw by strength).

Validator i speaks with strength 1/N + D_i/D, where D_i counts its votes so far that agreed with what was settled. One
settlement account has one speaker at a time, for all of its business: its transactions use one row of sequence numbers,
and two who speak at once undo each other. The draw is seeded by the account and the number of the turn, so that anyone
can recompute it, and nobody needs to ask a ledger for it or can choose it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction

from agent.core.ids import AccountId


def strengths(committee: Sequence[AccountId], agreements: Mapping[AccountId, int]) -> dict[AccountId, Fraction]:
    total = sum(agreements.get(v, 0) for v in committee)
    return {
        v: Fraction(1, len(committee)) + (Fraction(agreements.get(v, 0), total) if total else 0)
        for v in sorted(committee)
    }


def drawn(committee: Sequence[AccountId], agreements: Mapping[AccountId, int], seed: str) -> AccountId:
    """By strength. Each validator's chance is its share of all strength."""
    left = strengths(committee, agreements)
    point = Fraction(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"), 2**256) * sum(left.values())
    for validator, length in left.items():
        if point < length:
            return validator
        point -= length
    raise ValueError("a share below 1 lies within the whole")


def on_turn(
    committee: Sequence[AccountId], agreements: Mapping[AccountId, int], settlement: AccountId, at: int, turn: int
) -> AccountId:
    """Who speaks for a settlement account at ledger time `at`; a turn is `turn` seconds."""
    return drawn(committee, agreements, f"{settlement}/{at // turn}")
