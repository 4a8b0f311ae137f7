"""What another validator proposes, checked: it is signed only when it is what would have been built here.

A proposal is a transaction alone. What it settles is in its claims, and its record behind its memo. The record is
built here from the votes that are held, and fetched only where votes are lacking (PROTOCOL section 6).
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.core.cid import Cid
from agent.core.documents import SettlementRecord, Vote
from agent.core.review import State
from agent.errors import Malformed, Refused, Unavailable
from agent.ledger.envelope import Opened, opened
from agent.ledger.horizon import Horizon
from agent.market import settlement as settlements
from agent.market.bundle import Shelf
from agent.validator import record as records
from agent.validator.ballots import Ballots
from agent.validator.clerk import Batch, Clerk, Motion
from agent.validator.docket import Docket
from agent.validator.rounds import Rounds

LATE_S = 10
"""How far the speaker's ledger may be ahead of ours."""


class Declined(Refused):
    """The proposal for {settlement} was not signed: {why}"""


class Cosigner:
    def __init__(
        self, horizon: Horizon, shelf: Shelf, clerk: Clerk, docket: Docket, rounds: Rounds, ballots: Ballots
    ) -> None:
        self._horizon, self._shelf, self._clerk = horizon, shelf, clerk
        self._docket, self._rounds, self._ballots = docket, rounds, ballots

    def check(self, settlement: str, proposed: Opened) -> SettlementRecord:
        """The record of a proposed transaction that deserves our signature. It is pinned here too by then: a speaker
        that keeps it to itself cannot break the chain. Raises Declined, Malformed, Unavailable."""
        members = {member for served in self._rounds.of(settlement) for member in served.round.committee}
        if proposed.memo is None or not any(proposed.is_signed_by(member) for member in members):
            raise Declined(settlement=settlement, why="nobody on the committee put it forward")
        motion = self._motion(settlement, proposed)
        head = self._horizon.head()
        if not head.closed_at < proposed.max_time <= head.closed_at + records.VALID_S + LATE_S:
            raise Declined(settlement=settlement, why="its time bounds are not within the protocol's")
        speaker = self._clerk.on_turn(motion, head)
        if not proposed.is_signed_by(speaker):
            raise Declined(settlement=settlement, why="it is somebody else's turn")
        cid = Cid.v0(proposed.memo)
        made = self._rebuilt(settlement, motion, speaker, cid)
        ours = self._clerk.transaction(made, cid, motion.served, proposed.max_time, records.topped_up(proposed))
        if opened(ours, self._horizon.passphrase).hash != proposed.hash:
            raise Declined(settlement=settlement, why="the transaction is not the one this record makes")
        records.pin(made, self._shelf.store)
        return made

    def _motion(self, settlement: str, proposed: Opened) -> Motion:
        """What the transaction is about: the entries whose stakes it claims, or shares where it claims none."""
        if stakes := settlements.claims(proposed, settlement):
            return self._batch(settlement, stakes)
        published = self._rounds.newest.get(settlement)
        share_out = published and self._clerk.share_out(self._rounds.served[published.cid], published)
        if not share_out:
            raise Declined(settlement=settlement, why="there is nothing to be shared")
        return share_out

    def _batch(self, settlement: str, stakes: list[str]) -> Batch:
        """Entries as this validator knows them."""
        reviews = [self._docket.open.get(stake) for stake in stakes]
        judged = [review for review in reviews if review is not None and review.state is State.JUDGED]
        if len(judged) < len(stakes):
            raise Declined(settlement=settlement, why="not every entry in it is judged here")
        served = [self._rounds.served.get(cid) for cid in {review.facts["round"] for review in judged}]
        if len(served) != 1 or served[0] is None or served[0].round.settlement != settlement:
            raise Declined(settlement=settlement, why="its entries are not of one round that is served here")
        return Batch(served[0], tuple((review, self._ballots.of(review.id)) for review in judged))

    def _rebuilt(self, settlement: str, motion: Motion, speaker: str, cid: Cid) -> SettlementRecord:
        made = self._made(motion, speaker, cid)
        committee = motion.served.round.committee
        cases = motion.cases if isinstance(motion, Batch) else ()
        if made is None and any(len(votes) < len(committee) for _, votes in cases):
            for vote in self._fetched(settlement, {review.id for review, _ in cases}, cid):
                self._ballots.take(vote, committee)
            held = tuple((review, self._ballots.of(review.id)) for review, _ in cases)
            made = self._made(Batch(motion.served, held), speaker, cid)
        if made is None:
            raise Declined(settlement=settlement, why="the record is not the one these votes make")
        return made

    def _made(self, motion: Motion, speaker: str, cid: Cid) -> SettlementRecord | None:
        """The record as it is built here, if it is the one that is asked for."""
        try:
            made = self._clerk.record(motion, speaker)
        except Malformed:
            return None
        return made if made is not None and records.record_cid(made) == cid else None

    def _fetched(self, settlement: str, entries: set[str], cid: Cid) -> Iterator[Vote]:
        """The proposed record's votes on these entries. Nothing else in it is looked at: the rest is built here."""
        try:
            record = self._shelf.record(str(cid))
        except (Unavailable, Refused) as error:
            raise Declined(settlement=settlement, why=f"its record cannot be had: {error}") from None
        return (vote for vote in record.votes if vote.entry in entries)
