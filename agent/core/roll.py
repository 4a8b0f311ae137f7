"""Rolls: entries on one base, collected, put on record, and judged together (PROTOCOL section 6).

Rules
  1. A roll is due with `most` entries, `collect` seconds after the first of them where it has `least`, and after twice
     as long with what there is: one car alone is judged too.
  2. It holds entries in the order of the ledger. A member signs where each of them is ready here, and none that is
     ready here and stands before the last of them is left out. What a member lacks it waits for.
  3. Rule 2 binds for twice `collect` and four turns after an entry, and no longer: who shows a bundle to some members
     only holds the others up for so long.
  4. An entry is on one roll, the first that a ledger holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.core.documents import Enrolled, Roll
from agent.core.ids import CidText, StakeId
from agent.core.round import Round

TURNS = 4
"""For which no entry may be left out once its roll is due at the latest."""

Group = tuple[CidText, CidText]
"""(the round that entries were trained on, the newest one that was published before them)."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An entry that is admitted here, and whose bundle is here."""

    entry: Enrolled
    entered_at: int
    group: Group

    @property
    def id(self) -> StakeId:
        return self.entry.entry

    @property
    def place(self) -> tuple[int, StakeId]:
        return self.entry.ledger, self.entry.entry


@dataclass(frozen=True, slots=True)
class Anchored:
    """A roll that a ledger holds."""

    cid: CidText
    """CID of the roll's record."""
    base: CidText
    roll: Roll


def groups(ready: Iterable[Ready]) -> dict[Group, list[Ready]]:
    """What can be on one roll together, in the order of the ledger."""
    found = defaultdict[Group, list[Ready]](list)
    for one in sorted(ready, key=lambda r: r.place):
        found[one.group].append(one)
    return found


def is_due(chosen: Sequence[Ready], round_: Round, now: int) -> bool:
    """Whether these, first entry first, may be a roll."""
    waited = now - chosen[0].entered_at
    is_enough = len(chosen) >= round_.least and waited >= round_.collect
    return len(chosen) >= round_.most or is_enough or waited >= 2 * round_.collect


def is_whole(chosen: Sequence[Ready], ready: Iterable[Ready], round_: Round, now: int) -> bool:
    """Whether nothing that must be on this roll is left out."""
    on_it, last = {one.id for one in chosen}, chosen[-1]
    patience = 2 * round_.collect + TURNS * round_.turn
    return not any(
        one.group == last.group and one.place < last.place and one.id not in on_it and now < one.entered_at + patience
        for one in ready
    )
