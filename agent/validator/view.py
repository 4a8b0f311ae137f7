"""One settlement account as this validator sees it now: what `core.motion.CommitteeView` asks for, read off ledger,
store and journal as it is needed, each thing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from agent.core.documents import SettlementRecord, Vote
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.review import Review, is_measured
from agent.core.ledger import Account, Head, Stake
from agent.core.money import XLM, Stroops
from agent.core.motion import Sharing
from agent.core.pay import Locked
from agent.core.record import ChainEnd, Hindrance, hindrance
from agent.core.roll import Anchored, Ready
from agent.core.round import Round
from agent.errors import Refused, Unavailable
from agent.ledger.horizon import Horizon
from agent.market import bundle, pledge, records, round_accounts, settlement, sharing
from agent.validator.ballots import vote
from agent.validator.book import ReviewBook
from agent.validator.chain import Chain, Failure
from agent.validator.guard import Guard
from agent.validator.rounds import LAG_LEDGERS, Rounds, Served

if TYPE_CHECKING:
    from stellar_sdk import Keypair


@dataclass
class Office:
    """What a validator's views are made from, and what they leave for the next ones."""

    horizon: Horizon
    shelf: bundle.Shelf
    keypair: Keypair
    book: ReviewBook
    rounds: Rounds
    guard: Guard
    votes: dict[StakeId, Vote] = field(default_factory=dict)
    """Entry → ours."""
    ready: dict[AccountId, Sequence[Ready]] = field(default_factory=dict)
    """Settlement account → entries that could be on a roll."""
    belonging: set[CidText] = field(default_factory=set)
    """Rounds whose settlement account was seen to be theirs."""
    _credits: dict[CidText, Mapping[AccountId, Stroops]] = field(default_factory=dict)
    _kept: set[CidText] = field(default_factory=set)

    def keep(self, contribution: CidText) -> None:
        """Whoever votes for a contribution, or signs for it, keeps it: its initiator can fetch what it has paid for.
        Raises Unavailable, Refused."""
        if contribution not in self._kept:
            kept = self.shelf.store.put(self.shelf.get(contribution, bundle.CONTRIBUTION_LIMITS))
            if str(kept) != contribution:
                raise Refused(what=f"The contribution {contribution}", why=f"what is kept of it is {kept}")
            self._kept.add(contribution)

    def own_vote(self, review: Review, roll: CidText | None) -> Vote:
        """On a judged review that is on this roll. Raises Unavailable while what it is about cannot be kept."""
        if review.verdict.outcome == "accepted":
            self.keep(review.entry.contribution)
        known = self.votes.get(review.id)
        if known is None or known.roll != roll:
            self.votes[review.id] = known = vote(review, self.keypair, roll)
        return known

    def credits(self, served: Served, published: int, view: LedgerView) -> Mapping[AccountId, Stroops]:
        """Of a round published in ledger `published`. A lineage that is not true earns nobody anything; one that may
        only be ahead of what our Horizon shows is looked at again. Raises Unavailable."""
        if served.cid not in self._credits:
            try:
                self._credits[served.cid] = sharing.credits(self.shelf, view.link.cid, served.round)
            except Refused as error:
                if view.head.sequence <= published + LAG_LEDGERS:
                    raise Unavailable(what=str(error)) from None
                self._credits[served.cid] = {}
        return self._credits[served.cid]

    def forget(self, entry: StakeId) -> None:
        self.votes.pop(entry, None)


class LedgerView:
    """A `core.motion.CommitteeView`. Raises Unavailable, Refused."""

    def __init__(self, office: Office, settlement: AccountId, chain: Chain, head: Head | None = None) -> None:
        self._office, self._chain, self.settlement = office, chain, settlement
        self._accounts: dict[AccountId, Account | None] = {}
        if head is not None:
            self.head = head

    @cached_property
    def head(self) -> Head:
        return self._office.horizon.head()

    @cached_property
    def account(self) -> Account:
        found = self._office.horizon.account(self.settlement)
        if found is None:
            raise Refused(what=f"the settlement account {self.settlement}", why="it is not on the ledger")
        return found

    @property
    def sequence(self) -> int:
        return self.account.sequence

    @property
    def free(self) -> Stroops:
        return self.account.free(XLM)

    @cached_property
    def link(self) -> ChainEnd:
        return self._chain.end(self.account)

    @cached_property
    def rounds(self) -> Mapping[CidText, Served]:
        """Those that are served and whose settlement account this is: one account, one model, one committee."""
        belonging, found = self._office.belonging, self._office.rounds.of(self.settlement)
        for served in found:
            if served.cid not in belonging and not round_accounts.governed(self.account, served.round):
                belonging.add(served.cid)
        return {served.cid: served for served in found if served.cid in belonging}

    def terms(self, cid: CidText) -> Round:
        """Of a round that is served here, or that is to be handed over to."""
        incoming = self.incoming
        return incoming.round if incoming is not None and incoming.cid == cid else self.rounds[cid].round

    @property
    def foreign(self) -> list[CidText]:
        """Rounds that name this settlement account and are not settled here."""
        return [s.cid for s in self._office.rounds.of(self.settlement) if s.cid not in self._office.belonging]

    @cached_property
    def own(self) -> Mapping[StakeId, tuple[Review, Vote]]:
        office, found = self._office, dict[StakeId, tuple[Review, Vote]]()
        for cid in self.rounds:
            for review in office.book.judged(cid):
                on = self.rolls.get(review.id)
                roll = on.cid if on is not None else None
                if is_measured(review) and (roll is None or roll != review.verdict.roll):
                    continue  # the ledger that we see does not hold its roll yet, or it was measured by itself
                cast = office.guard(_about(review.id), partial(office.own_vote, review, roll))
                if cast is not None:
                    found[review.id] = review, cast
        office.guard.keep(_about(""), map(_about, office.book.open))
        return found

    @property
    def ready(self) -> Sequence[Ready]:
        office = self._office
        waiting = office.ready.get(self.settlement, ())
        return [one for one in waiting if one.id in office.book.open and one.group[0] in self.rounds]

    @cached_property
    def rolls(self) -> Mapping[StakeId, Anchored]:
        """As they were read last, where they cannot be read now: what is said about others than the ledger's counts for
        nothing."""
        with suppress(Unavailable):
            self._chain.end(self.account)
        return self._chain.rolls

    @property
    def newest(self) -> Served | None:
        published = self._office.rounds.newest.get(self.settlement)
        return self.rounds.get(published.cid) if published is not None else None

    @property
    def incoming(self) -> Served | None:
        return self._office.rounds.incoming.get(self.settlement)

    @property
    def oldest(self) -> int | None:
        ledgers = [r.entry.ledger for r in self._office.book.open.values() if r.entry.settlement == self.settlement]
        return min(ledgers, default=None)

    @property
    def fused(self) -> CidText | None:
        """The newest round, where it was made of contributions."""
        served = self.newest
        return served.cid if served is not None and served.round.lineage else None

    @cached_property
    def sharing(self) -> Sharing | None:
        published = self._office.rounds.newest.get(self.settlement)
        if published is None or self.fused is None:
            return None
        served = self.rounds[published.cid]
        try:
            credits = self._office.credits(served, published.ledger, self)
        except Unavailable:  # what cannot be looked up now holds no settlement up
            return None
        return Sharing(served, published.ledger, credits)

    def hindered(self, review: Review, credit: Stroops) -> Hindrance | None:
        failed = self._failures.get(review.id)
        if failed is not None and failed.code in settlement.PAYEES_DOING:
            return Hindrance("rejected", f"the ledger refused its pay: {failed.code}")
        found, round_ = review.entry, self.rounds[review.verdict.round].round
        return hindrance(self._vehicle(found.vehicle), round_, found.stake, credit)

    def pledge(self, round_: Round) -> Sequence[Stake]:
        """The balances that are the round's pledge, the largest first: that one pays."""
        return pledge.of(round_, self._balances)

    def locked(self, round_: Round) -> Locked:
        return pledge.locked(round_, self._balances)

    def is_troubled(self, entry: StakeId) -> bool:
        return entry in self._failures

    def receives(self, vehicle: AccountId, amount: Stroops) -> bool:
        if self.sharing is None:
            return False
        failed, account = self._failures.get(vehicle), self._vehicle(vehicle)
        if account is None or (failed is not None and failed.ledger >= self.sharing.ledger):
            return False
        line = account.lines.get(self.sharing.served.round.stake_asset)
        return line is not None and line.authorized and line.room >= amount

    def takes(self, validator: AccountId, amount: Stroops) -> bool:
        account, newest = self._vehicle(validator), self.newest
        line = account.lines.get(newest.round.stake_asset) if account is not None and newest is not None else None
        return line is not None and line.authorized and line.room >= amount

    def cid(self, record: SettlementRecord) -> CidText:
        return records.record_cid(record).text

    @cached_property
    def _failures(self) -> Mapping[str, Failure]:
        ledgers = [review.entry.ledger for review, _ in self.own.values()]
        shared = [self.sharing.ledger] if self.sharing is not None else []
        return self._chain.failures(self.account, min([*ledgers, *shared], default=self.head.sequence))

    @cached_property
    def _balances(self) -> Sequence[Stake]:
        """The XLM that the settlement account may claim."""
        return [*self._office.horizon.stakes(self.settlement, XLM)]

    def _vehicle(self, account: AccountId) -> Account | None:
        if account not in self._accounts:
            self._accounts[account] = self._office.horizon.account(account)
        return self._accounts[account]


def _about(entry: str) -> str:
    return f"The vote on {entry[:16]}"
