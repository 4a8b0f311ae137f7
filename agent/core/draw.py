"""Who of many is drawn, each by its strength (Lugan et al., TCLearn, equation 1).

Validator i has strength S_i = 1/N + D_i/D: as much again for all as for what each brought. D_i counts what the caller
says: a speaker's votes that agreed (`core.speaker`), or the samples that a validator's own fleet contributed
(`core.registry`). Everything is exact and follows from the seed, so anybody draws the same, in whatever order the names
come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from agent.core.ids import AccountId


class Eligible(Protocol):
    """One who may be drawn."""

    @property
    def account(self) -> AccountId: ...

    @property
    def samples(self) -> int:
        """D_i, 0 or more."""


def strengths(accounts: Collection[AccountId], counted: Mapping[AccountId, int]) -> dict[AccountId, Fraction]:
    """S_i of each, by account in order. They come to 2, or to 1 where nobody has brought anything."""
    total = sum(counted.get(account, 0) for account in accounts)
    return {
        account: Fraction(1, len(accounts)) + (Fraction(counted.get(account, 0), total) if total else 0)
        for account in sorted(accounts)
    }


def picked(strong: Mapping[AccountId, Fraction], seed: str) -> AccountId:
    """One of them, each with its share of all strength as its chance. They must come in the same order to everybody."""
    point = Fraction(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"), 2**256) * sum(strong.values())
    for account, strength in strong.items():
        if point < strength:
            return account
        point -= strength
    raise ValueError("a share below 1 lies within the whole")


def drawn(registry: Sequence[Eligible], seed: str, size: int) -> tuple[AccountId, ...]:
    """`size` of the registry, one after the other, each by its strength among those that are left; all, where it holds
    no more. `seed`: the hash of a ledger, 64 hex digits. Who is drawn for a larger committee comes after those of the
    smaller one, so the next in line stands in for one that fails."""
    left = strengths([one.account for one in registry], {one.account: one.samples for one in registry})
    found: list[AccountId] = []
    while left and len(found) < size:
        found.append(picked(left, f"{seed}/{len(found)}"))
        del left[found[-1]]
    return tuple(found)
