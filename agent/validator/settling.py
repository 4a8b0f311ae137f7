"""Settling together: the speaker proposes, the others rebuild and sign, the speaker submits.

Nothing here is written down: a proposal can always be made again. Two proposals cannot both apply, since both use the
settlement account's next sequence number and claim the same stakes.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core import speaker
from agent.core.documents import SettlementRecord, Vote
from agent.core.ledger import Account, Head
from agent.core.money import Stroops
from agent.core.review import Review, State
from agent.core.verdict import threshold
from agent.errors import Refused
from agent.host.logs import Log
from agent.ledger.envelope import Signed, opened, with_signatures
from agent.ledger.horizon import Horizon
from agent.ledger.submission import Entered, look
from agent.market import bundle
from agent.validator import record as records
from agent.validator.ballots import Ballots, vote
from agent.validator.committee import Committee, Cosignature, Proposal
from agent.validator.docket import Docket
from agent.validator.judge import payable
from agent.validator.rounds import Rounds, Served

if TYPE_CHECKING:
    from stellar_sdk import Keypair

REPEAT_S = 5
"""Ledger seconds after which what was said is said again."""


class Declined(Refused):
    """The proposal for {settlement} was not signed: {why}"""


@dataclass
class Standing:
    """One settlement account's business, as far as it is under way."""

    link: records.Link = field(default_factory=records.Link)
    proposal: Proposal | None = None
    hash: str = ""
    max_time: int = 0
    signatures: dict[str, bytes] = field(default_factory=dict)
    submitted: Signed | None = None
    spoken_at: int = 0


class Settling:
    def __init__(
        self,
        horizon: Horizon,
        shelf: bundle.Shelf,
        keypair: Keypair,
        committee: Committee,
        docket: Docket,
        rounds: Rounds,
        log: Log,
    ) -> None:
        self._horizon, self._shelf, self._keypair = horizon, shelf, keypair
        self._committee, self._docket, self._rounds, self._log = committee, docket, rounds, log
        self._ballots = Ballots()
        self._business: dict[str, Standing] = {}
        self._ledgers: dict[int, str] = {}

    def hear(self) -> None:
        """Take in what the others said. Raises Unavailable."""
        for settlement, said in self._committee.hear():
            if settlement not in self._rounds.settlements:
                continue
            try:
                if isinstance(said, Vote):
                    self._take(said)
                elif isinstance(said, Proposal):
                    self._cosign(settlement, said)
                else:
                    self._collect(settlement, said)
            except Refused as error:
                self._log.detail("message.refused", why=str(error))

    def speak(self, head: Head) -> None:
        """Say our votes, and settle when it is our turn. Raises Unavailable."""
        for settlement in sorted(self._rounds.settlements):
            business = self._business.setdefault(settlement, Standing())
            again = head.closed_at >= business.spoken_at + REPEAT_S
            for served in self._rounds.of(settlement):
                for review in self._docket.judged(served.cid):
                    self._own_vote(settlement, review, served, again)
            if again:
                business.spoken_at = head.closed_at
            self._settle(settlement, business, head)

    @property
    def halted(self) -> list[str]:
        """Entries that cannot be settled because the committee does not agree on what it measured."""
        return [entry for entry in self._ballots.entries if records.in_doubt(self._ballots.of(entry))]

    def forget(self, entry: str) -> None:
        self._ballots.forget(entry)

    # --- votes

    def _own_vote(self, settlement: str, review: Review, served: Served, again: bool) -> None:
        ours = vote(review, self._keypair)
        fresh = all(v.validator != ours.validator for v in self._ballots.of(review.id))
        self._ballots.take(ours, served.round.committee)
        if fresh or again:
            self._committee.say_vote(settlement, ours)

    def _take(self, said: Vote) -> None:
        served = self._rounds.served.get(said.round)
        review = self._docket.open.get(said.entry)
        if served is not None and (review is not None or said.entry not in self._docket.seen):
            self._ballots.take(said, served.round.committee)

    # --- the speaker

    def _settle(self, settlement: str, business: Standing, head: Head) -> None:
        if business.submitted is not None:
            self._follow(settlement, business)
            return
        for served in self._rounds.of(settlement):
            entries = self._ripe(served, head)
            if not entries:
                continue
            business.link = records.last_link(self._horizon, self._shelf, settlement, business.link)
            if self._speaker(served, entries[0][0], business.link, head) == self._keypair.public_key:
                self._propose(settlement, business, served, entries, head)
            return

    def _ripe(self, served: Served, head: Head) -> list[tuple[Review, tuple[Vote, ...]]]:
        found = []
        for review in self._docket.judged(served.cid):
            votes = self._ballots.of(review.id)
            if records.ripe(review, votes, served.round, head.closed_at):
                found.append((review, votes))
        return found

    def _speaker(self, served: Served, oldest: Review, link: records.Link, head: Head) -> str:
        ledger = int(oldest.facts["ledger"])
        if ledger not in self._ledgers:
            self._ledgers[ledger] = self._horizon.ledger(ledger).hash
        order = speaker.order(served.round.committee, link.agreements or {}, self._ledgers[ledger])
        return speaker.on_turn(order, head.closed_at - int(oldest.facts["entered_at"]), served.round.turn)

    def _propose(
        self,
        settlement: str,
        business: Standing,
        served: Served,
        entries: list[tuple[Review, tuple[Vote, ...]]],
        head: Head,
    ) -> None:
        account = self._account(settlement)
        made = records.record(
            business.link, served.cid, served.round, self._keypair.public_key, entries, self._payable(served)
        )
        same = business.proposal is not None and business.proposal.record == made
        if same and head.closed_at < business.max_time - records.VALID_S + REPEAT_S:
            return
        max_time = head.closed_at + records.VALID_S
        cid = records.record_cid(made)
        offers = self._horizon.offers(settlement)
        text = records.envelope(made, cid, served.round, account, offers, self._horizon.passphrase, max_time)
        business.proposal, business.max_time = Proposal(made, text), max_time
        business.hash = opened(text, self._horizon.passphrase).hash.hex()
        business.signatures = {}
        self._log.event("settlement.proposed", index=made.index, entries=len(made.entries))
        self._committee.say_proposal(settlement, business.proposal)
        self._collect(settlement, self._signature(business.hash))

    def _collect(self, settlement: str, said: Cosignature) -> None:
        from stellar_sdk import Keypair
        from stellar_sdk.exceptions import BadSignatureError, Ed25519PublicKeyInvalidError

        business = self._business.get(settlement)
        if business is None or business.proposal is None or said.transaction != business.hash:
            return
        round_ = self._rounds.served[business.proposal.record.round].round
        if said.validator not in round_.committee:
            raise Declined(settlement=settlement, why="a signature of somebody who is not on the committee")
        try:
            Keypair.from_public_key(said.validator).verify(bytes.fromhex(business.hash), said.signature)
        except (BadSignatureError, Ed25519PublicKeyInvalidError, ValueError):
            raise Declined(settlement=settlement, why="a signature that does not fit") from None
        business.signatures[said.validator] = said.signature
        if len(business.signatures) >= threshold(len(round_.committee)) and business.submitted is None:
            self._submit(settlement, business, threshold(len(round_.committee)))

    def _submit(self, settlement: str, business: Standing, needed: int) -> None:
        """Exactly as many signatures as are needed: the ledger refuses a surplus one (txBAD_AUTH_EXTRA)."""
        from stellar_sdk import Keypair

        proposal = business.proposal
        if proposal is None:
            return
        self._store(proposal.record)
        chosen = sorted(business.signatures.items())[:needed]
        pairs = [(Keypair.from_public_key(v).signature_hint(), signature) for v, signature in chosen]
        business.submitted = with_signatures(proposal.envelope, self._horizon.passphrase, pairs)
        self._log.event("settlement.submitted", index=proposal.record.index, hash=business.hash, signers=needed)
        self._follow(settlement, business)

    def _store(self, made: SettlementRecord) -> None:
        """Before it is anchored: a memo must never point at nothing."""
        with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
            self._shelf.store.put(bundle.lay(Path(scratch) / "record", {bundle.RECORD: made.to_bytes()}))

    def _follow(self, settlement: str, business: Standing) -> None:
        if business.submitted is None:
            return
        try:
            outcome = look(self._horizon, business.submitted)
        except Refused as error:
            self._log.error("settlement.turned_away", error, settlement=settlement)
            self._business[settlement] = Standing(link=business.link)
            return
        if outcome is None:
            return
        word = "settlement.entered" if isinstance(outcome, Entered) else "settlement.failed"
        self._log.event(word, hash=business.submitted.hash, codes=getattr(outcome, "codes", ""))
        self._business[settlement] = Standing(link=business.link)

    # --- the others

    def _cosign(self, settlement: str, proposal: Proposal) -> None:
        """Sign what we would have built from these votes. Raises Declined, Malformed."""
        made = proposal.record
        served = self._rounds.served.get(made.round)
        if served is None or served.round.settlement != settlement:
            raise Declined(settlement=settlement, why="its round is not served here")
        for said in made.votes:
            self._ballots.take(said, served.round.committee)
        entries = self._own_view(settlement, made)
        head, account = self._horizon.head(), self._account(settlement)
        business = self._business.setdefault(settlement, Standing())
        business.link = records.last_link(self._horizon, self._shelf, settlement, business.link)
        if self._speaker(served, entries[0][0], business.link, head) != made.speaker:
            raise Declined(settlement=settlement, why="it is somebody else's turn")
        ours = records.record(business.link, made.round, served.round, made.speaker, entries, self._payable(served))
        if ours != made:
            raise Declined(settlement=settlement, why="the record is not the one these votes make")
        theirs = opened(proposal.envelope, self._horizon.passphrase)
        if not head.closed_at < theirs.max_time <= head.closed_at + records.VALID_S + REPEAT_S * 2:
            raise Declined(settlement=settlement, why="its time bounds are not within the protocol's")
        rebuilt = records.envelope(
            ours,
            records.record_cid(ours),
            served.round,
            account,
            self._horizon.offers(settlement),
            self._horizon.passphrase,
            theirs.max_time,
            records.topped_up(proposal.envelope, self._horizon.passphrase),
        )
        if opened(rebuilt, self._horizon.passphrase).hash != theirs.hash:
            raise Declined(settlement=settlement, why="the transaction is not the one this record makes")
        self._committee.say_signature(settlement, self._signature(theirs.hash.hex()))
        self._log.event("settlement.cosigned", index=made.index, speaker=made.speaker)

    def _own_view(self, settlement: str, made: SettlementRecord) -> list[tuple[Review, tuple[Vote, ...]]]:
        """The proposal's entries as this validator knows them, with every vote it holds."""
        entries = []
        for settled in made.entries:
            review = self._docket.open.get(settled.entry)
            if review is None or review.state is not State.JUDGED:
                raise Declined(settlement=settlement, why=f"the entry {settled.entry[:12]} is not judged here yet")
            entries.append((review, self._ballots.of(settled.entry)))
        return entries

    # --- beneath

    def _signature(self, transaction: str) -> Cosignature:
        signature = self._keypair.sign(bytes.fromhex(transaction))
        return Cosignature(self._keypair.public_key, transaction, signature)

    def _account(self, settlement: str) -> Account:
        account = self._horizon.account(settlement)
        if account is None:
            raise Refused(what=f"the settlement account {settlement}", why="it is not on the ledger")
        return account

    def _payable(self, served: Served) -> _Payable:
        return _Payable(self._horizon, served, {})


@dataclass(frozen=True)
class _Payable:
    """Whether a vehicle can be paid, looked up once per record."""

    horizon: Horizon
    served: Served
    known: dict[str, Account | None]

    def __call__(self, vehicle: str, stake: Stroops) -> bool:
        if vehicle not in self.known:
            self.known[vehicle] = self.horizon.account(vehicle)
        return payable(self.known[vehicle], self.served.round, stake)
