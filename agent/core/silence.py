"""Who of a committee is silent, by the records alone, and who takes its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from agent.core.ids import AccountId


def silent(settled: Iterable[tuple[Collection[AccountId], Collection[AccountId]]], turns: int) -> set[AccountId]:
    """Who has no vote in the last `turns` settlements of committees that it was on. `settled`: committee and voters of
    each, newest first. Who was replaced stays silent: nothing that it could vote on came since."""
    missed, heard = Counter[AccountId](), set[AccountId]()
    for committee, voters in settled:
        heard |= {member for member in voters if missed[member] < turns}
        missed.update(set(committee) - heard)
    return {member for member, count in missed.items() if count >= turns}


def replaced(
    committee: Sequence[AccountId], substitutes: Sequence[AccountId], silent: Collection[AccountId]
) -> tuple[AccountId, ...]:
    """The committee with the next substitute that is not silent in the place of each member that is. Where there are
    too few, the silent stay: a committee gets no smaller."""
    free = iter([s for s in substitutes if s not in silent and s not in committee])
    return tuple(next(free, member) if member in silent else member for member in committee)
