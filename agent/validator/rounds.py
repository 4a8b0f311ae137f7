"""The rounds a validator serves: the newest of each followed initiator, and those before it that are not too stale.

A round is taken in whole or not at all: its initiator put it on the ledger, it goes on where the rounds before it
stopped, it is what its lineage makes of them, and its accounts are what it takes to settle it. Nothing of a round that
fails any of this is kept.

A round that names another committee is served by that one, once the committee before has handed over to it. Until then
it is `incoming` to the committee before, which takes it in as it would its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from agent.core import pay
from agent.core.ids import AccountId, CidText
from agent.core.ledger import Account, Head
from agent.core.money import Stroops
from agent.core.pauses import Backoff
from agent.core.round import Round
from agent.errors import Refused, Unavailable
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable
from agent.ledger.keys import account_of
from agent.market import rebuild, records, registry, round_accounts
from agent.market.bundle import Shelf
from agent.market.listing import is_dated_back, signs
from agent.market.publish import Sign

if TYPE_CHECKING:
    from stellar_sdk import Keypair

OPENS_S = 600
"""A round is open at most so long after its publication was signed."""
CATCH_UP = 64
"""Rounds that are walked back from a new one to one that is known, at most."""
KEPT = 64
"""Rounds of one model that stay known."""
LAG_LEDGERS = 12
"""How far the settlement account's state, as a Horizon shows it, may be behind what is published."""
BACKOFF = Backoff(2, 128)
"""Ledgers before a round that could not be taken in is looked at again."""


@dataclass(frozen=True, slots=True)
class Served:
    """One round this validator is on the committee of. `newest`: the number of the model's newest round."""

    cid: CidText
    round: Round
    newest: int

    @property
    def ledger(self) -> int:
        """It is open after this one."""
        return self.round.ledger


@dataclass(frozen=True, slots=True)
class Published:
    """A model's newest round: open after `ledger`."""

    cid: CidText
    ledger: int


class NotServed(Refused):
    """Round {number} of {model} ({cid}) is not served: {why}"""


class NotYetTold(Unavailable):
    """Round {number} of {model} ({cid}) is not served yet: {why}"""


@dataclass
class _Seen:
    """An initiator as it was looked at last. While its account says the same, nothing is looked at again."""

    said: object = None
    troubles: tuple[str, ...] = ()
    again_at: int | None = None
    """Ledger from which on what is missing is asked for once more; None: nothing is."""
    pause: int = 0
    """Ledgers that were last waited for it."""


@dataclass
class Rounds:
    """What is open for review, read from the ledger. Rounds seen once stay known: entries refer to them by CID."""

    horizon: Horizon
    shelf: Shelf
    initiators: Sequence[AccountId]
    keypair: Keypair
    """The validator's."""
    served: dict[CidText, Served] = field(default_factory=dict)
    newest: dict[AccountId, Published] = field(default_factory=dict)
    """Settlement account → the newest round that is settled there."""
    incoming: dict[AccountId, Served] = field(default_factory=dict)
    """Settlement account → the round that is to be handed over to."""
    passed: dict[CidText, None] = field(default_factory=dict)
    """Rounds that are known and not served: another committee's, and those that are not what their lineage says."""
    false: dict[CidText, tuple[Round, str]] = field(default_factory=dict)
    """Rounds that are not what their lineage says, and how."""
    _away: dict[tuple[AccountId, str], int] = field(default_factory=dict)
    """(Initiator, code of the model's DLM) → the ledger after which a round of it is open that could not be had yet."""
    _seen: dict[AccountId, _Seen] = field(default_factory=dict)
    _as_of: dict[AccountId, int] = field(default_factory=dict)
    """Initiator → the ledger up to which its rounds are known."""

    def look(self) -> None:
        """One request for each initiator while nothing has changed. Raises LedgerUnavailable. A round that is not what
        its initiator should have published, or cannot be had, is a trouble, not served; the others are."""
        for initiator in self.initiators:
            account, seen = self.horizon.account(initiator), self._seen.setdefault(initiator, _Seen())
            said = account and (dict(account.data), account.flags, account.is_locked)
            as_of = self.horizon.latest or self.horizon.head().sequence
            is_due = seen.again_at is not None and not 0 < self.horizon.latest < seen.again_at
            if account is not None and (said != seen.said or is_due):
                if said != seen.said:
                    seen.pause = 0
                self._look_at(account, seen, self.horizon.head())
                seen.said = said
            self._as_of[initiator] = as_of

    @property
    def troubles(self) -> list[str]:
        return [trouble for seen in self._seen.values() for trouble in seen.troubles]

    @property
    def settlements(self) -> set[AccountId]:
        return {served.round.settlement for served in self.served.values()}

    def of(self, settlement: AccountId) -> list[Served]:
        """Oldest round first."""
        found = [s for s in self.served.values() if s.round.settlement == settlement]
        return sorted(found, key=lambda s: s.round.number)

    @property
    def validator(self) -> AccountId:
        return account_of(self.keypair)

    def is_unserved(self, settlement: AccountId, ledger: int, base: CidText | None) -> bool:
        """Whether an entry is given no service, and goes back whole: it was trained on a round that is none of this
        committee's, or entered before it took over, or after the next one's round opened."""
        first, incoming = next(iter(self.of(settlement)), None), self.incoming.get(settlement)
        is_before = first is not None and first.round.previous in self.passed and ledger <= first.ledger
        is_after = incoming is not None and ledger > incoming.ledger
        return is_before or is_after or base in self.passed

    def is_away(self, round_: Round, ledger: int) -> bool:
        """Whether a round of this one's model may have opened before a ledger and is not known here: its bundle could
        not be had, or nobody has answered since then what its initiator's account says. Others may know it: what was
        entered since is not measured against an older one meanwhile."""
        if ledger > self._as_of.get(round_.initiator, 0):
            return True
        return self._away.get((round_.initiator, round_.model_asset.code), ledger) < ledger

    def _look_at(self, account: Account, seen: _Seen, head: Head) -> None:
        troubles, opens = [], []
        for code, sign in signs(account).items():
            if head.sequence < sign.ledger:  # its bundle is kept back until then
                opens.append(sign.ledger)
                continue
            try:
                if waits := self._take(account.id, code, sign, head):
                    opens.append(head.sequence + 1)
                    troubles.append(waits)
            except LedgerUnavailable:
                raise
            except Unavailable as error:
                self._away[account.id, code] = sign.ledger
                troubles.append(str(error))
                continue
            except Refused as error:
                troubles.append(str(error))
            self._away.pop((account.id, code), None)
        seen.troubles, again = tuple(troubles), opens
        if troubles:
            seen.pause = BACKOFF.after(seen.pause)
            again = [*opens, head.sequence + seen.pause]
        seen.again_at = min(again, default=None)

    def _take(self, initiator: AccountId, code: str, sign: Sign, head: Head) -> str:
        """The round that a model's data entry names, and its forebears as far back as an entry may be based on them.
        What is waited for, as a sentence, or ''. Raises Refused, Unavailable; then nothing has changed."""
        for settlement, served in [*self.incoming.items()]:
            if (served.round.initiator, served.round.model_asset.code) == (initiator, code) and served.cid != sign.cid:
                del self.incoming[settlement]
        if sign.cid in self.served and self.served[sign.cid].newest == self.served[sign.cid].round.number:
            return ""
        newest = self.shelf.round(sign.cid)
        before = self.shelf.round(newest.previous) if newest.previous is not None else newest
        if self.validator not in (*newest.committee, *before.committee):
            return ""
        account = self.horizon.account(newest.settlement)
        if newest.previous is None or before.committee == newest.committee:
            self._serve(sign.cid, newest, account, head, self._misnamed(newest, initiator, code, sign))
            return ""
        if not round_accounts.governed(account, newest):
            self.incoming.pop(newest.settlement, None)
            if self.validator in newest.committee:
                self._serve(sign.cid, newest, account, head, self._misnamed(newest, initiator, code, sign))
            else:
                self._leave(newest.model)
            return ""
        waits = f"Round {newest.number} of {newest.model} waits until the committee before has handed over to its own."
        if self.validator not in before.committee:
            return waits
        self._serve(newest.previous, before, account, head)
        if newest.settlement not in self.incoming:
            why = self._misnamed(newest, initiator, code, sign) or self._no_heir(sign.cid, newest, before)
            self._check(sign.cid, newest, account, head, why, {sign.cid: newest})
            self.incoming[newest.settlement] = Served(sign.cid, newest, newest.number)
        return waits

    def _serve(self, cid: CidText, newest: Round, account: Account | None, head: Head, why: str = "") -> None:
        """From now on, with its forebears of the same committee. `why`: what already speaks against it."""
        if cid in self.served and self.served[cid].newest == newest.number:
            return
        forebears = self._forebears(newest, head.closed_at)
        why = why or self._broken(cid, newest, forebears) or round_accounts.governed(account, newest)
        ours = {cid: newest, **_of_committee(newest, forebears)}
        self._check(cid, newest, account, head, why, ours)
        self._pass([each for each in forebears if each not in ours])
        known = {cid: served.round for cid, served in self.served.items() if served.round.model == newest.model}
        for each in known:
            self.served.pop(each)
        known = {each: round_ for each, round_ in {**known, **ours}.items() if round_.committee == newest.committee}
        kept = sorted(known, key=lambda each: known[each].number)[-KEPT:]
        self.served |= {each: Served(each, known[each], newest.number) for each in kept}
        self.newest[newest.settlement] = Published(cid, newest.ledger)

    def _check(
        self, cid: CidText, newest: Round, account: Account | None, head: Head, why: str, found: Mapping[CidText, Round]
    ) -> None:
        """Raises NotServed, Unavailable."""
        why = (
            why
            or round_accounts.issued(self.horizon.account(newest.issuer), newest)
            or self._dated_back(found)
            or self._undrawn(cid, newest)
        )
        if why:
            raise NotServed(number=newest.number, model=newest.model, cid=cid, why=why)
        if false := self._false(found, account):
            what = {"number": newest.number, "model": newest.model, "cid": cid, "why": false}
            if head.sequence <= newest.ledger + LAG_LEDGERS:  # what it was fused from may be settled a moment ago
                raise NotYetTold(**what)
            self._pass([cid])
            self.false = dict([*self.false.items(), (cid, (newest, false))][-KEPT:])
            raise NotServed(**what)

    def _false(self, found: Mapping[CidText, Round], account: Account | None) -> str:
        """Why one of these rounds, newest first, is not what its lineage says, or ''. What is served, or was attested
        by two thirds, was rebuilt; where nothing ever was attested, the newest is. Raises Unavailable."""
        record = records.newest(account) if account is not None else None
        attested = self.shelf.record(record).attested if record is not None else None
        for cid, round_ in found.items():
            if cid == attested or cid in self.served:
                break
            if why := rebuild.falsehood(self.shelf, cid, record, self.keypair):
                return f"round {round_.number} is not what its lineage says: {why}"
            if attested is None:
                break
        return ""

    def _no_heir(self, cid: CidText, newest: Round, before: Round) -> str:
        """Why a committee does not hand over to the round's, or ''."""
        assert newest.previous is not None  # noqa: S101
        if newest.pledge is not None and newest.pledge.until < pay.until(newest):
            return "its pay may be taken back before all that may be entered is judged"
        return self._broken(cid, newest, {newest.previous: before}) or round_accounts.unreadable(newest)

    def _leave(self, model: str) -> None:
        """Another committee has taken over."""
        left = {cid: served for cid, served in self.served.items() if served.round.model == model}
        self._pass(left)
        for cid, served in left.items():
            self.newest.pop(served.round.settlement, None)
            del self.served[cid]

    def _pass(self, rounds: Iterable[CidText]) -> None:
        self.passed |= dict.fromkeys(rounds)
        for cid in [*self.passed][:-KEPT]:
            del self.passed[cid]

    def _misnamed(self, newest: Round, initiator: str, code: str, sign: Sign) -> str:
        """Why a round is not the one that its initiator's data entry is about, or ''."""
        if (newest.initiator, newest.model_asset.code) != (initiator, code):
            return f"it is on offer as one of {code} of {initiator}"
        if newest.ledger != sign.ledger:
            return f"it opens after ledger {newest.ledger}, and is on offer for ledger {sign.ledger}"
        others = {served.round.model for served in self.of(newest.settlement)} - {newest.model}
        return f"its settlement account is that of {', '.join(sorted(others))}" if others else ""

    def _forebears(self, newest: Round, now: int) -> dict[CidText, Round]:
        """The rounds before it, newest first: those that entries may be based on or still be open on, and on to one
        that is known. Raises Refused, Unavailable."""
        known = self._newest_known(newest.model)
        found: dict[CidText, Round] = {}
        step = newest.previous
        while step is not None and len(found) < CATCH_UP:
            is_needed = len(found) <= newest.staleness or not (
                known is None or known.cid in found or step in self.served
            )
            if not is_needed and _are_over(newest, [*found.values()], now):
                break
            try:
                found[step] = self.shelf.round(step)
            except (Unavailable, Refused):
                if is_needed:
                    raise
                break  # what is open on it is left to those who have it
            step = found[step].previous
        return found

    def _broken(self, cid: CidText, newest: Round, forebears: Mapping[CidText, Round]) -> str:
        """Why a round does not go on where the ones before it stopped, or ''."""
        later = newest
        for before in forebears.values():
            if before.model != newest.model:
                return f"it is said to follow a round of {before.model}"
            if before.number + 1 != later.number or before.ledger >= later.ledger:
                return f"round {later.number} is said to follow round {before.number}"
            if before.settlement != newest.settlement:
                return f"round {before.number} has another settlement account"
            if before.stake.asset != newest.stake.asset:
                return f"round {before.number} has another stake"
            if (before.initiator, _reward(before)) != (newest.initiator, _reward(newest)):
                return f"round {before.number} has another initiator or reward"
            if before.pledge is not None and later.pledge is not None and before.pledge.until >= later.pledge.until:
                return f"the pay of round {later.number} is not locked for longer than that of round {before.number}"
            later = before
        if (later.previous is None) != (later.number == 0):
            return f"round {later.number} is said to follow {later.previous or 'nothing'}"
        known = self._newest_known(newest.model)
        if known is not None and known.cid != cid and known.cid not in forebears:
            return f"it does not follow round {known.round.number}, the newest that is known here"
        return ""

    def _dated_back(self, found: Mapping[CidText, Round]) -> str:
        """Why a round that is new here cannot be told from one that was published after the entries it is said to
        precede, or ''. What is older than the ledger's history precedes them all. Raises Unavailable."""
        for cid, round_ in found.items():
            if cid not in self.served:
                with suppress(HistoryTooShort):
                    if is_dated_back(self.horizon, round_, cid):
                        return f"round {round_.number} opens after ledger {round_.ledger}, and was published later"
        return ""

    def _undrawn(self, cid: CidText, newest: Round) -> str:
        """Why a committee that is new here is not the one that was drawn, or ''. A ledger that is forgotten drew
        long ago, and those who were there looked. Raises Unavailable."""
        known = self._newest_known(newest.model)
        looked_at = (known.round.draw, known.round.committee) if known is not None else None
        if cid in self.served or looked_at == (newest.draw, newest.committee):
            return ""
        with suppress(HistoryTooShort):
            return registry.miscounted(self.shelf, newest) or registry.undrawn(self.horizon, self.shelf, newest)
        return ""

    def _newest_known(self, model: str) -> Served | None:
        known = [s for s in self.served.values() if s.round.model == model]
        return max(known, key=lambda s: s.round.number, default=None)


def _reward(round_: Round) -> Stroops | None:
    return round_.pledge.reward if round_.pledge is not None else None


def _of_committee(newest: Round, forebears: Mapping[CidText, Round]) -> dict[CidText, Round]:
    """Those, newest first, down to where another committee handed over."""
    return dict(takewhile(lambda each: each[1].committee == newest.committee, forebears.items()))


def _are_over(newest: Round, forebears: Sequence[Round], now: int) -> bool:
    """Whether no entry can be open any more that is based on the round before the last of these, or on an older one.
    Who starts anew would serve it no more, and two thirds of the committee would not come together for that entry."""
    later = [newest, *forebears]
    stale_by = later[max(0, len(forebears) - newest.staleness)]
    return now > stale_by.published_at + OPENS_S + stale_by.review_window
