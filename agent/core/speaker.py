"""Who proposes the next settlement (PROTOCOL section 6, after DeepChain's leader election by strength).

Validator i speaks with strength 1/N + D_i/D, where D_i counts its votes so far that agreed with what was settled. The
draw is seeded by the hash of the ledger that holds the oldest entry of what is put forward, for shares by the round's
CID, so that anyone can recompute it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction


def strengths(committee: Sequence[str], agreements: Mapping[str, int]) -> dict[str, Fraction]:
    total = sum(agreements.get(v, 0) for v in committee)
    return {
        v: Fraction(1, len(committee)) + (Fraction(agreements.get(v, 0), total) if total else 0)
        for v in sorted(committee)
    }


def order(committee: Sequence[str], agreements: Mapping[str, int], seed: str) -> list[str]:
    """All validators, first speaker first: drawn by strength without replacement. `seed`: a ledger's hash, hex, or a
    round's CID."""
    left = strengths(committee, agreements)
    drawn: list[str] = []
    while left:
        digest = hashlib.sha256(f"{seed}/{len(drawn)}".encode()).digest()
        share = Fraction(int.from_bytes(digest, "big"), 2**256)
        drawn.append(_at(left, share))
        del left[drawn[-1]]
    return drawn


def _at(strength: Mapping[str, Fraction], share: Fraction) -> str:
    """Who stands at `share` (0 to below 1) of all strength laid end to end."""
    point = share * sum(strength.values())
    for validator, length in strength.items():
        if point < length:
            return validator
        point -= length
    raise ValueError("a share below 1 lies within the whole")


def on_turn(speakers: Sequence[str], waited: int, turn: int) -> str:
    """The speaker `waited` seconds of ledger time after the oldest entry came in."""
    return speakers[max(0, waited) // turn % len(speakers)]
