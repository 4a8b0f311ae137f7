"""Draws up a settlement account's records and transactions from what this validator knows, and says whose turn it is.
Speaker and cosigners go through the same few functions, so that they come to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from agent.core import speaker
from agent.core.cid import Cid
from agent.core.documents import SettlementRecord
from agent.core.ledger import Account, Head
from agent.core.money import Asset, Stroops
from agent.core.review import Review
from agent.errors import Refused, Unavailable
from agent.ledger.horizon import Horizon
from agent.market import sharing
from agent.market.bundle import Shelf
from agent.validator import record as records
from agent.validator.chain import Chain
from agent.validator.payee import payable
from agent.validator.rounds import Published, Served


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one round that are to be settled together. Not empty; the same validators voted on each."""

    served: Served
    cases: tuple[records.Case, ...]

    @property
    def name(self) -> str:
        return " ".join([self.served.cid, *(vote.validator for vote in self.cases[0][1])])

    @property
    def drawn(self) -> tuple[int, int]:
        """(ledger whose hash draws the speakers, when it closed): that of the oldest entry."""
        return min((int(r.facts["ledger"]), int(r.facts["entered_at"])) for r, _ in self.cases)


@dataclass(frozen=True, slots=True)
class ShareOut:
    """Forfeited stakes that are to be shared among those whose contributions made a round."""

    served: Served
    published: Published

    @property
    def name(self) -> str:
        return f"shares of {self.served.cid}"

    @property
    def drawn(self) -> tuple[int, int]:
        return self.published.ledger, self.published.closed_at


Motion = Batch | ShareOut
"""What a speaker may put forward."""


class Clerk:
    """For one validator. Everything here reads only. Raises Unavailable."""

    def __init__(self, horizon: Horizon, shelf: Shelf) -> None:
        self._horizon, self._shelf = horizon, shelf
        self._chains: dict[str, Chain] = {}
        self._hash = lru_cache(maxsize=64)(lambda sequence: horizon.ledger(sequence).hash)
        self._credits = lru_cache(maxsize=4)(self._credits_of)
        self._fruitless: dict[str, tuple[str, str]] = {}
        """Settlement account → (round, the chain's tip) when nobody was left who could be paid a share."""

    def chain(self, settlement: str) -> Chain:
        return self._chains.setdefault(settlement, Chain(self._horizon, self._shelf, settlement))

    def on_turn(self, motion: Motion, head: Head) -> str:
        """Who puts this forward now."""
        round_ = motion.served.round
        ledger, closed_at = motion.drawn
        link = self.chain(round_.settlement).look(ledger)
        # A publication may be older than what Horizon remembers: the round's own digest draws as well as a ledger's.
        seed = motion.served.cid if isinstance(motion, ShareOut) else self._hash(ledger)
        order = speaker.order(round_.committee, link.agreements, seed)
        return speaker.on_turn(order, head.closed_at - closed_at, round_.turn)

    def share_out(self, served: Served, published: Published) -> ShareOut | None:
        """What the publication of a round leaves to be shared, if anything. A lineage that is not true earns nobody
        anything; what cannot be looked up now holds no settlement up."""
        settlement = served.round.settlement
        chain = self.chain(settlement)
        if not served.round.lineage or self._fruitless.get(settlement) == (served.cid, chain.tip):
            return None
        purse = sharing.begun(chain.look(published.ledger).purse, served.newest)
        try:
            due = sharing.shares(purse.pot, self._credits(served.cid))
        except Unavailable:
            return None
        return ShareOut(served, published) if purse.done < len(due) else None

    def record(self, motion: Motion, by: str) -> SettlementRecord | None:
        """On top of the chain as it was last looked at; None when nobody is left who can be paid a share. Raises
        Malformed when the votes do not decide every entry."""
        if isinstance(motion, ShareOut):
            return self._shared(motion, by)
        served, chain = motion.served, self.chain(motion.served.round.settlement)
        accounts = _Accounts(self._horizon)

        def unpayable(review: Review) -> str:
            if code := chain.refusal(review.id):
                return f"the ledger refused its pay: {code}"
            fits = payable(accounts[review.facts["vehicle"]], served.round, review.facts["stake"])
            return "" if fits else "the vehicle has no trustline with room for its pay"

        return records.record(chain.end, served, by, motion.cases, unpayable)

    def transaction(
        self, made: SettlementRecord, cid: Cid, served: Served, max_time: int, topped_up: Stroops | None = None
    ) -> str:
        """As `records.envelope`, on the settlement account as it is now."""
        settlement = served.round.settlement
        account = self._horizon.account(settlement)
        if account is None:
            raise Refused(what=f"the settlement account {settlement}", why="it is not on the ledger")
        offers = self._horizon.offers(settlement)
        return records.envelope(made, cid, served.round, account, offers, self._horizon.passphrase, max_time, topped_up)

    def _shared(self, motion: ShareOut, by: str) -> SettlementRecord | None:
        round_, ledger = motion.served.round, motion.published.ledger
        chain, accounts = self.chain(round_.settlement), _Accounts(self._horizon)
        dlc = Asset.parse(round_.stake.asset)

        def receives(vehicle: str, amount: Stroops) -> bool:
            account = accounts[vehicle]
            line = None if account is None else account.lines.get(dlc)
            fits = line is not None and line.authorized and line.room >= amount
            return fits and not chain.refusal(vehicle, since=ledger)

        made = records.shared(chain.end, motion.served, by, self._credits(motion.served.cid), receives)
        if made is None:
            self._fruitless[round_.settlement] = motion.served.cid, chain.tip
        return made

    def _credits_of(self, cid: str) -> Mapping[str, Stroops]:
        try:
            return sharing.credits(self._horizon, self._shelf, self._shelf.round(cid))
        except Refused:
            return {}


class _Accounts(dict[str, "Account | None"]):
    """Each account looked up once per record."""

    def __init__(self, horizon: Horizon) -> None:
        super().__init__()
        self._horizon = horizon

    def __missing__(self, account: str) -> Account | None:
        self[account] = self._horizon.account(account)
        return self[account]
