"""Everything between a stake on the ledger and a verdict in the journal.

Rules
  1. The stake is looked at before a byte of the bundle is: what is underfunded costs a look and no download.
  2. Bundles come beside the loop (`porter`); what cannot be had is left alone for a while, and holds nobody up.
  3. What is admitted waits for the committee's roll, and is measured together with all that is on it.
  4. Only `admission.decide` and `Measurement.measured` give verdicts, and both give them, never raise them. Whatever is
     raised in here is no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from agent.core import turns
from agent.core.documents import Contribution
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.fold import Event
from agent.core.jobs.review import Gone, Review, Settled, awaits_judging
from agent.core.ledger import Head, Stake
from agent.core.pauses import Pauses
from agent.core.roll import Anchored, Ready
from agent.core.verdict import Verdict
from agent.errors import Refused
from agent.host.logs import Log
from agent.journal.codec import encode
from agent.ledger.horizon import Horizon
from agent.market import settlement, strikes
from agent.market.bundle import Shelf
from agent.ports import Clock
from agent.validator.admission import Admitted, Bundle, Facts, Placed, decide, newest_before, open_to
from agent.validator.book import ReviewBook
from agent.validator.dues import Dues
from agent.validator.entries import Entry, NoEntry, entry, is_formed
from agent.validator.guard import Guard
from agent.validator.measurement import Judgement, Measurement, brief
from agent.validator.porter import Porter
from agent.validator.rounds import Rounds, Served

T = TypeVar("T")

LOOK_S = 20.0
"""What one account may take of a turn before the rest waits for the next one."""
FORGOTTEN_S = 7 * 86_400
"""After its vehicle could take it back, a stake that is gone without the ledger telling how is no longer asked for."""
TRIES = 16
"""A review window is tried at least so often: what was mended within it must not find that the next try is after it."""
PAUSES = "pauses"
"""The journal's note."""


class Business(Protocol):
    """What the committee of each settlement account is about."""

    def forget(self, entry: StakeId) -> None:
        """It is settled or gone."""

    def prepare(self, settlement: AccountId, ready: Sequence[Ready]) -> None:
        """These can be put on a roll."""

    def rolls(self, settlement: AccountId) -> Mapping[StakeId, Anchored]:
        """Entry → the roll that it is on, as the ledger has it now. Raises Unavailable, Refused."""


class Reviewing:
    """For one validator. Nothing here raises but `look`, Unavailable."""

    def __init__(
        self,
        horizon: Horizon,
        shelf: Shelf,
        book: ReviewBook,
        rounds: Rounds,
        measurement: Measurement,
        porter: Porter,
        guard: Guard,
        clock: Clock,
        log: Log,
        business: Business,
    ) -> None:
        self._horizon, self._shelf, self._book, self._rounds = horizon, shelf, book, rounds
        self._measurement, self._porter, self._guard = measurement, porter, guard
        self._clock, self._log, self._business = clock, log, business
        self._pauses = Pauses(book.journal.note(PAUSES) or "")
        self._entries: dict[StakeId, Entry] = {}
        self._dues = Dues(horizon)
        self._counting: set[StakeId] = set()
        """Entries whose vehicles' strikes were not counted in one look."""
        self._no_entries: dict[AccountId, set[StakeId]] = {}
        """Settlement account → balances that looked like entries and are none."""
        self._judgements: dict[CidText, Mapping[StakeId, Judgement]] = {}
        """Roll → what its entries deserve."""
        self._unread: dict[AccountId, set[StakeId]] = {}
        """Settlement account → stakes of which the ledger did not tell enough yet."""

    # --- what is there

    def look(self, account: AccountId, head: Head) -> bool:
        """New stakes become reviews; stakes that are gone were settled or taken back. False: there is more to look at.
        Raises Unavailable."""
        there, began = self._there(account), self._clock.monotonic()
        for review in [r for r in self._book.open.values() if r.entry.settlement == account]:
            if review.id not in there:
                self._guard(_name(review.id, "end"), partial(self._ended, review, account, head))
        no_entries = self._no_entries.setdefault(account, set())
        no_entries &= there.keys()
        self._unread[account] = unread = self._new(account, there)
        for stake in [there[stake_id] for stake_id in sorted(unread, key=lambda i: (there[i].last_modified, i))]:
            self._tried(stake.id, head, partial(self._find, stake, account), "stake")
            if self._clock.monotonic() - began > LOOK_S:
                return False
        return True

    @property
    def troubles(self) -> list[str]:
        """What rounds hold that is not used."""
        return self._measurement.troubles

    @property
    def is_behind(self) -> bool:
        """Whether there are stakes of which the ledger did not tell enough yet."""
        return any(self._unread.values())

    def has_news(self, account: AccountId) -> bool:
        """Whether there is a stake that was not looked at: one request. Raises Unavailable."""
        return bool(self._new(account, self._there(account)))

    def _there(self, account: AccountId) -> dict[StakeId, Stake]:
        """The unclaimed balances in the asset that entries are staked in."""
        assets = {served.round.stake_asset for served in self._rounds.of(account)}
        return {stake.id: stake for asset in sorted(assets) for stake in self._horizon.stakes(account, asset)}

    def _new(self, account: AccountId, there: Mapping[StakeId, Stake]) -> set[StakeId]:
        rounds = [served.round for served in self._rounds.of(account)]
        old = self._book.seen | self._no_entries.get(account, set())
        return {s.id for s in there.values() if s.id not in old and is_formed(s, account, rounds)}

    def _find(self, stake: Stake, account: AccountId) -> None:
        rounds = [served.round for served in self._rounds.of(account)]
        try:
            found = entry(self._horizon, stake, account, rounds)
        except NoEntry as error:
            self._no_entries[account].add(stake.id)
            self._unread[account].discard(stake.id)
            self._log.detail("entry.passed_over", entry=stake.id[:16], why=str(error))
            return
        if found is not None:
            self._entries[stake.id] = found
            self._unread[account].discard(stake.id)
            self._record(stake.id, found.found(account))

    def _ended(self, review: Review, account: AccountId, head: Head) -> None:
        """A list that lacks a stake says nothing: it may come from a replica that is late. What claimed it does."""
        found = settlement.settling(self._horizon, review.id, account)
        if found is not None:
            done, claimed = found.settled, found.transaction.hash
            self._record(review.id, Settled(done.outcome, done.credit, done.returned, claimed))
        elif self._is_claimed(review) or head.closed_at > (review.entry.take_back_at or 0) + FORGOTTEN_S:
            self._record(review.id, Gone())
        else:
            return
        self._entries.pop(review.id, None)
        self._dues.forget(review.id)
        self._business.forget(review.id)

    def _is_claimed(self, review: Review) -> bool:
        """By its vehicle, since it was not settled; or clawed back."""
        if self._horizon.stake(review.id) is not None:
            return False
        return any(t.hash != review.entry.transaction for t in self._horizon.touching(review.id))

    # --- what it deserves

    def judge(self, head: Head) -> None:
        """At most one roll a settlement account: votes and settlements of others do not wait for a long queue."""
        rolls = set[CidText]()
        for account in sorted(self._rounds.settlements):
            rounds = tuple(self._rounds.of(account))
            waiting = [r for r in self._book.open.values() if r.entry.settlement == account]
            waiting = self._in_turn([r for r in waiting if awaits_judging(r)])
            began = self._clock.monotonic()
            for review in waiting:
                if self._clock.monotonic() - began > LOOK_S:
                    break
                self._tried(review.id, head, partial(self._unmeasured, review, rounds, head), "stake")
            self._porter.wait()
            waiting = [r for r in map(self._book.open.get, [r.id for r in waiting]) if r and awaits_judging(r)]
            on = self._guard(f"the rolls of {account}", partial(self._business.rolls, account)) if waiting else None
            if on is not None:
                rolls |= {roll.cid for roll in on.values()}
                self._prepare(account, [r for r in waiting if r.id not in on], rounds, head)
                self._measured([r for r in waiting if r.id in on], on, rounds, head)
        left = set(self._book.open).union(*self._unread.values())
        self._pauses.keep(left | rolls)
        self._counting &= left
        self._judgements = {cid: found for cid, found in self._judgements.items() if cid in rolls}
        self._guard.keep("entry ", map(_name, left))
        self._guard.keep("roll ", map(_roll_name, rolls))
        self._guard("the journal", self._remember)

    def _in_turn(self, waiting: list[Review]) -> list[Review]:
        """Who was not tried yet comes first: bundles that never come, and histories without end, hold up no new one.
        The first entry of each vehicle comes before anybody's second."""
        entered = Counter[AccountId]()
        nth: dict[StakeId, int] = {}
        for review in sorted(waiting, key=_place_of):
            nth[review.id] = entered[review.entry.vehicle]
            entered[review.entry.vehicle] += 1
        tried = {review.id: review.id in self._pauses or review.id in self._counting for review in waiting}
        return sorted(waiting, key=lambda review: (tried[review.id], nth[review.id], *_place_of(review)))

    def _unmeasured(self, review: Review, rounds: tuple[Served, ...], head: Head) -> None:
        """A verdict that needs no measurement, or the bundle is sent for."""
        found = self._entry(review, rounds)
        if found is None or self._porter.asked(found.contribution):
            return
        try:
            decision = decide(self._facts(found, rounds, head))
        except strikes.StillCounting as error:  # each look counts on from where the last one stopped
            self._counting.add(review.id)
            self._log.detail("entry.counting", entry=review.id[:16], why=str(error))
            return
        if isinstance(decision, Verdict):
            self._judged(found, Judgement(decision, None), rounds)
        elif isinstance(decision, Bundle):
            self._fetch(found.contribution, found, rounds)

    def _fetch(self, contribution: CidText, placed: Placed, rounds: tuple[Served, ...]) -> None:
        self._porter.send(contribution, self._measurement.limits(open_to(placed, rounds)))

    def _prepare(self, account: AccountId, waiting: list[Review], rounds: tuple[Served, ...], head: Head) -> None:
        """What can be put on a roll: admitted, and with no entry before it that is not known yet."""
        places, ready = list[turns.Waiting](), dict[StakeId, Ready]()
        for review in waiting:
            placed = self._tried(review.id, head, partial(self._place, review, rounds, head), "bundle")
            places.append(placed[0] if placed is not None else self._unknown(review, rounds))
            if placed is not None and placed[1] is not None:
                ready[review.id] = placed[1]
        in_turn = turns.may_be_judged(places, head.closed_at)
        self._business.prepare(account, [ready[place.id] for place in in_turn if place.id in ready])

    def _place(
        self, review: Review, rounds: tuple[Served, ...], head: Head
    ) -> tuple[turns.Waiting, Ready | None] | None:
        """None: nothing is known of it yet. What has its verdict by now, or is admitted, holds nothing up."""
        found = self._entries.get(review.id)
        if found is None or not found.contribution or not self._shelf.holds(found.contribution):
            return None
        place = turns.Waiting(review.id, found.ledger, 0, is_here=True)
        decision = decide(self._facts(found, rounds, head))
        if isinstance(decision, Verdict):
            self._judged(found, Judgement(decision, None), rounds)
            return place, None
        if isinstance(decision, Admitted):
            return place, Ready(found.enrolled, found.entered_at, (decision.at.cid, decision.joins.cid))
        contribution = self._measurement.contribution(found.contribution)
        base = contribution.base if isinstance(contribution, Contribution) else CidText("")
        at = next((served for served in rounds if served.cid == base), rounds[-1])
        until = turns.patience(found.entered_at, at.round.review_window)
        return replace(place, base=base, holds_until=until), None

    def _unknown(self, review: Review, rounds: tuple[Served, ...]) -> turns.Waiting:
        window = max(served.round.review_window for served in rounds)
        until = turns.patience(review.entry.entered_at, window)
        return turns.Waiting(review.id, review.entry.ledger, until)

    def _measured(
        self, waiting: list[Review], on: Mapping[StakeId, Anchored], rounds: tuple[Served, ...], head: Head
    ) -> None:
        """The first roll that is all here. What was found out about it is kept until all on it have their verdicts."""
        for roll in {on[review.id].cid: on[review.id] for review in sorted(waiting, key=_place_of)}.values():
            at = next((served for served in rounds if served.cid == roll.base), None)
            known = roll.cid in self._judgements
            if at is None or not (known or self._is_here(roll, rounds)):
                continue
            if not known:
                work = partial(self._measurement.measured, roll, at, rounds)
                found = self._patiently(roll.cid, _roll_name(roll.cid), head, work)
                if found is None:
                    continue
                self._judgements[roll.cid] = found
            for review in waiting:
                if on[review.id].cid == roll.cid:
                    self._tried(review.id, head, partial(self._take, review, roll.cid, rounds, head), "measurement")
            if not known:
                return

    def _is_here(self, roll: Anchored, rounds: tuple[Served, ...]) -> bool:
        """Whether all on it is; what is not is sent for."""
        away = [one for one in roll.roll.entries if not self._shelf.holds(one.contribution)]
        for one in away:
            if not self._porter.asked(one.contribution):
                self._fetch(one.contribution, one, rounds)
        return not away

    def _take(self, review: Review, roll: CidText, rounds: tuple[Served, ...], head: Head) -> None:
        """What was measured counts for what is admitted."""
        found = self._entry(review, rounds)
        decision = decide(self._facts(found, rounds, head)) if found is not None else None
        if found is not None and isinstance(decision, Verdict):
            self._judged(found, Judgement(decision, None), rounds)
        elif found is not None and isinstance(decision, Admitted):
            self._judged(found, self._judgements[roll][review.id], rounds, roll)

    def _facts(self, found: Entry, rounds: tuple[Served, ...], head: Head) -> Facts:
        """Raises Unavailable, CannotJudge and what fetching the bundle came to."""
        window = min(served.round.review_window for served in rounds)
        contribution, settlement = self._contribution(found), rounds[0].round.settlement
        base = contribution.base if isinstance(contribution, Contribution) else None
        return Facts(
            entry=found,
            rounds=rounds,
            due=self._dues.of(found, rounds),
            is_repeat=self._book.was_entered(found.stake.id, found.vehicle, found.contribution),
            contribution=contribution,
            is_unserved=self._rounds.is_unserved(settlement, found.ledger, base),
            is_behind=any(self._rounds.is_away(s.round, found.ledger) for s in rounds),
            is_overdue=head.closed_at > turns.patience(found.entered_at, window),
        )

    def _contribution(self, found: Entry) -> Contribution | Refused | None:
        failure = self._porter.failure(found.contribution) if found.contribution else None
        if isinstance(failure, Refused):
            return failure  # by the store's contract it is about bytes that were checked against the CID
        if failure is not None:
            raise failure
        if not found.contribution or not self._shelf.holds(found.contribution):
            return None
        return self._measurement.contribution(found.contribution)

    def _entry(self, review: Review, rounds: tuple[Served, ...]) -> Entry | None:
        """After a restart: the entry as the ledger has it."""
        if review.id not in self._entries:
            stake = self._horizon.stake(review.id)
            try:
                account = review.entry.settlement
                found = entry(self._horizon, stake, account, [s.round for s in rounds]) if stake else None
            except NoEntry:
                self._record(review.id, Gone())
                return None
            if found is None:
                return None
            self._entries[review.id] = found
        return self._entries[review.id]

    # --- what is kept of it

    def _judged(
        self, found: Entry, judgement: Judgement, rounds: tuple[Served, ...], roll: CidText | None = None
    ) -> None:
        """Settled under its base where that is served, else under the newest round published before it, so that rubbish
        is settled too."""
        contribution = self._contribution(found)
        base = contribution.base if isinstance(contribution, Contribution) else CidText("")
        under = base if any(served.cid == base for served in rounds) else newest_before(found, rounds).cid
        self._record(found.stake.id, brief(judgement, under, roll))
        self._pauses.forget(found.stake.id)

    def _tried(self, entry_id: str, head: Head, work: Callable[[], T], part: str) -> T | None:
        """One entry's work behind the guard; what fails has a pause."""
        return self._patiently(entry_id, _name(entry_id, part), head, work)

    def _patiently(self, about: str, name: str, head: Head, work: Callable[[], T]) -> T | None:
        if not self._pauses.is_over(about, head.closed_at):
            return None
        done = self._guard(name, work)
        if self._guard.failed(name):
            self._pauses.failed(about, head.closed_at, self._longest_s())
        return done

    def _longest_s(self) -> int:
        windows = [
            served.round.review_window for account in self._rounds.settlements for served in self._rounds.of(account)
        ]
        return min(windows, default=0) // TRIES

    def _remember(self) -> None:
        text = self._pauses.text()
        if text != (self._book.journal.note(PAUSES) or "{}"):
            self._book.journal.remember(PAUSES, text)

    def _record(self, entry_id: str, event: Event) -> None:
        self._book.record(entry_id, event, self._clock.now())
        written = encode(event)
        shown = {k: written[k] for k in ("vehicle", "outcome", "credit", "reason", "figure") if k in written}
        self._log.event(f"entry.{event.kind}", entry=entry_id[:16], **shown)


def _place_of(review: Review) -> tuple[int, str]:
    return review.entry.ledger, review.id


def _roll_name(cid: CidText) -> str:
    return f"roll {cid}"


def _name(entry_id: str, part: str = "") -> str:
    """For the guard and for people."""
    return f"entry {entry_id[:16]}: {part}" if part else f"entry {entry_id[:16]}"
