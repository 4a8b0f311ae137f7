"""Draws up a settlement account's records and transactions from what this validator knows, and says whose turn it is.
Speaker and cosigners go through the same few functions, so that they come to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core import speaker
from agent.core.cid import Cid
from agent.core.documents import SettlementRecord
from agent.core.ledger import Account, Head
from agent.core.money import Stroops
from agent.core.review import Review
from agent.errors import Refused
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf
from agent.validator import record as records
from agent.validator.chain import Chain
from agent.validator.judge import payable
from agent.validator.rounds import Served


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one round that are to be settled together."""

    served: Served
    cases: tuple[records.Case, ...]

    @property
    def oldest(self) -> Review:
        return min((review for review, _ in self.cases), key=lambda r: (int(r.facts["ledger"]), r.id))

    @property
    def ledger(self) -> int:
        """That of the oldest entry: its hash draws the speakers, and from it on refusals count."""
        return int(self.oldest.facts["ledger"])


class Clerk:
    """For one validator. Everything here reads only. Raises Unavailable."""

    def __init__(self, horizon: Horizon, shelf: Shelf) -> None:
        self._horizon, self._shelf = horizon, shelf
        self._chains: dict[str, Chain] = {}
        self._hashes: dict[int, str] = {}

    def chain(self, settlement: str) -> Chain:
        return self._chains.setdefault(settlement, Chain(self._horizon, self._shelf, settlement))

    def on_turn(self, batch: Batch, head: Head) -> str:
        """Who proposes this batch now."""
        round_ = batch.served.round
        link = self.chain(round_.settlement).look(batch.ledger)
        if batch.ledger not in self._hashes:
            self._hashes[batch.ledger] = self._horizon.ledger(batch.ledger).hash
        order = speaker.order(round_.committee, link.agreements, self._hashes[batch.ledger])
        return speaker.on_turn(order, head.closed_at - int(batch.oldest.facts["entered_at"]), round_.turn)

    def record(self, batch: Batch, by: str) -> SettlementRecord:
        """On top of the chain as it was last looked at. Raises Malformed when the votes do not decide every entry."""
        served = batch.served
        chain = self.chain(served.round.settlement)
        known: dict[str, Account | None] = {}

        def unpayable(review: Review) -> str:
            if review.id in chain.refused:
                return f"the ledger refused its pay: {chain.refused[review.id]}"
            vehicle = review.facts["vehicle"]
            if vehicle not in known:
                known[vehicle] = self._horizon.account(vehicle)
            fits = payable(known[vehicle], served.round, review.facts["stake"])
            return "" if fits else "the vehicle has no trustline with room for its pay"

        return records.record(chain.end, served.cid, served.round, by, batch.cases, unpayable)

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
