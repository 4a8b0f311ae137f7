"""Whether an entry is measured, decided from facts alone: nothing here asks anybody anything.

The facts come in typed. What could not be had is not among them, so that no answer of a server, no file and no failure
of this machine can turn into a verdict: they are raised where they happen, long before. What is turned down here is
turned down for what its vehicle signed: the entry, its stake, and the contribution's own bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.core import pay
from agent.core.documents import Contribution
from agent.core.ids import CidText
from agent.core.money import Stroops, text
from agent.core.verdict import Verdict
from agent.errors import Refused
from agent.validator.entries import Entry
from agent.validator.rounds import Served


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an entry now."""

    entry: Entry
    rounds: tuple[Served, ...]
    """Of its settlement account, as known now. Not empty."""
    due: Mapping[CidText, Stroops]
    """Round → the stake that is due there, strikes counted."""
    is_repeat: bool = False
    """Whether its vehicle entered this very contribution before, and that is not turned down."""
    contribution: Contribution | Refused | None = None
    """None: its bundle is not here yet. Refused: the bundle's own bytes, checked against its CID, are not one."""
    is_unserved: bool = False
    """Whether it is given no service, and goes back whole: its round is false, or another committee's."""
    is_behind: bool = False
    """Whether a round that was published before the entry could not be had yet."""
    is_overdue: bool = False
    """Whether the time is over for which a base that is not known may still turn out to be a new round's."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Nothing speaks against the entry so far; its bundle is needed."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Its base, or a round that it joins, is not known here. It may have been published a moment ago."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """To be measured."""

    contribution: Contribution
    at: Served
    """The round that it was trained on."""
    joins: Served
    """The newest one published before it was entered: what it would be fused with."""


Decision = Verdict | Bundle | NotYet | Admitted


class Placed(Protocol):
    """An entry, as far as its place on the ledger goes."""

    @property
    def ledger(self) -> int: ...


def decide(facts: Facts) -> Decision:
    """What cannot be paid for any reason but its own bytes is idle: it costs the fee and no more."""
    entry, contribution = facts.entry, facts.contribution
    if facts.is_unserved:
        return NotYet()
    if entry.fault:
        return _rejected(f"the entry is malformed: {entry.fault}")
    if facts.is_repeat:
        return Verdict("idle", 0, "its vehicle entered the same contribution before")
    if entry.stake.amount < (least := min(facts.due.values())):
        return _rejected(_too_little(entry, least))
    if contribution is None:
        return Bundle()
    if facts.is_behind and not facts.is_overdue:
        return NotYet()
    if isinstance(contribution, Refused):
        return _rejected(str(contribution))
    if contribution.vehicle != entry.vehicle:
        return _rejected("the contribution names another vehicle than the one that staked")
    at = next((served for served in facts.rounds if served.cid == contribution.base), None)
    if at is None:
        return Verdict("idle", 0, "its base is no round that is open for review") if facts.is_overdue else NotYet()
    joins = newest_before(entry, facts.rounds, at)
    if joins.round.number - at.round.number > at.round.staleness:
        return Verdict("idle", 0, "its base was too old when it was entered")
    if pay.is_late(at.round.pledge, entry.entered_at, at.round.review_window):
        return Verdict("idle", 0, pay.LATE)
    if why := _unlike(entry, contribution, at, facts.due[at.cid]):
        return _rejected(why)
    return Admitted(contribution, at, joins)


def newest_before(entry: Placed, rounds: Iterable[Served], at: Served | None = None) -> Served:
    """The newest round that was published before the entry, of the same model as `at`. All validators find the same
    one, whenever they look. An entry older than every round that is known falls to the oldest of these."""
    of_model = [s for s in rounds if at is None or s.round.model == at.round.model]
    published = [s for s in of_model if s.ledger < entry.ledger]
    if at is not None:
        return max([at, *published], key=lambda s: s.round.number)
    if not published:
        return min(of_model, key=lambda s: (s.round.number, s.cid))
    return max(published, key=lambda s: (s.round.number, s.cid))


def open_to(entry: Placed, rounds: Iterable[Served]) -> list[Served]:
    """The rounds that an entry may be based on, whatever was published since."""
    known = list(rounds)
    newest = newest_before(entry, known).round.number
    return [served for served in known if newest - served.round.number <= served.round.staleness]


def _unlike(entry: Entry, contribution: Contribution, at: Served, due: Stroops) -> str:
    """How the contribution is not what the round it names asks for."""
    round_ = at.round
    if contribution.model != round_.model or contribution.encoding != round_.recipe.encoding:
        return "the contribution's model or its encoding is not the round's"
    if contribution.samples < round_.recipe.minimum_samples:
        return f"the contribution's {contribution.samples} samples are too few"
    if entry.stake.asset != round_.stake_asset:
        return f"the stake is in {entry.stake.asset}, not {round_.stake.asset}"
    if entry.stake.amount < due:
        return _too_little(entry, due)
    if entry.take_back_at < entry.entered_at + round_.review_window // 2:
        return "the stake could be taken back before the review window is over"
    return ""


def _too_little(entry: Entry, due: Stroops) -> str:
    return f"the stake is {text(entry.stake.amount)} DLC, due are {text(due)}"


def _rejected(why: str) -> Verdict:
    return Verdict("rejected", 0, why[:200])
