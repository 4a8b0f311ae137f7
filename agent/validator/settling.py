"""Settling together: the speaker proposes, the others rebuild and sign, the speaker submits.

Nothing here is written down but the record, which is pinned before it is proposed: a proposal can always be made
again. Two proposals cannot both apply, since both use the settlement account's next sequence number and claim the
same stakes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.core.documents import SettlementRecord, Vote
from agent.core.ledger import Head
from agent.core.review import Review
from agent.core.verdict import threshold
from agent.errors import Refused
from agent.host.logs import Log
from agent.ledger.envelope import Signed, opened, with_signatures
from agent.ledger.horizon import Horizon
from agent.ledger.submission import Entered, look
from agent.market import bundle
from agent.validator import record as records
from agent.validator.ballots import Ballots, vote
from agent.validator.clerk import Batch, Clerk, Motion
from agent.validator.committee import Committee, Cosignature, Proposal
from agent.validator.cosigner import Cosigner, Declined
from agent.validator.docket import Docket
from agent.validator.rounds import Rounds, Served

if TYPE_CHECKING:
    from stellar_sdk import Keypair

REPEAT_S = 5
"""Ledger seconds after which what was said is said again."""


@dataclass
class Draft:
    """A proposal of ours, on its way to enough signatures."""

    name: str
    """Of the motion it is about."""
    committee: tuple[str, ...]
    record: SettlementRecord
    signed: Signed
    """By us alone."""
    tip: str
    """The settlement account's newest transaction as it was drawn up."""
    until: int = 0
    """Ledger time at which another motion has its go."""
    said_at: int = 0
    signatures: dict[str, bytes] = field(default_factory=dict)

    def is_old(self, now: int) -> bool:
        return now > self.signed.max_time - records.VALID_S // 2


@dataclass
class Standing:
    """One settlement account's business, as far as it is under way."""

    draft: Draft | None = None
    submitted: Signed | None = None
    spoken_at: int = 0
    cosigned: str = ""
    """Hash of the proposal that was signed last."""
    moved_at: dict[str, int] = field(default_factory=dict)
    """Motion → ledger time at which it last had its go."""


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
        self._ballots, self._clerk = Ballots(), Clerk(horizon, shelf)
        self._cosigner = Cosigner(horizon, shelf, self._clerk, docket, rounds, self._ballots)
        self._business: dict[str, Standing] = {}

    def hear(self) -> None:
        """Take in what the others said. Raises Unavailable."""
        for settlement, said in self._committee.hear():
            if settlement not in self._rounds.settlements:
                continue
            business = self._business.setdefault(settlement, Standing())
            try:
                if isinstance(said, Vote):
                    self._take(said)
                elif isinstance(said, Proposal):
                    self._cosign(settlement, business, said)
                else:
                    self._collect(settlement, business, said)
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

    @property
    def troubles(self) -> list[str]:
        """What an operator should know."""
        return []

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
        us = self._keypair.public_key
        ours = [m for m in self._motions(settlement, head) if self._clerk.on_turn(m, head) == us]
        drafted = self._drafted(settlement, business, ours)
        if drafted is not None and business.draft is not None and head.closed_at < business.draft.until:
            if head.closed_at >= business.draft.said_at + REPEAT_S:
                self._propose(settlement, business, drafted, head, business.draft.until)
        elif ours:
            # A motion that finds no signatures must not hold up the others: each has its go for a turn.
            motion = min(ours, key=lambda m: business.moved_at.get(m.name, -1))
            business.moved_at[motion.name] = head.closed_at
            self._propose(settlement, business, motion, head, head.closed_at + motion.served.round.turn)

    def _motions(self, settlement: str, head: Head) -> list[Motion]:
        """What is to be done: the ripe entries of each round, oldest round first, then shares. Entries that the same
        validators voted on go together: each of those can sign for all of them."""
        found: list[Motion] = []
        for served in self._rounds.of(settlement):
            ripe = defaultdict[tuple[str, ...], list[records.Case]](list)
            for review in self._docket.judged(served.cid):
                votes = self._ballots.of(review.id)
                if records.ripe(review, votes, served.round, head.closed_at):
                    ripe[tuple(vote.validator for vote in votes)].append((review, votes))
            found += [Batch(served, tuple(cases)) for cases in ripe.values()]
        published = self._rounds.newest.get(settlement)
        share_out = published and self._clerk.share_out(self._rounds.served[published.cid], published)
        return [*found, share_out] if share_out else found

    def _drafted(self, settlement: str, business: Standing, ours: list[Motion]) -> Motion | None:
        """What our draft is about, as it stands now; None once it cannot apply or is not ours to put forward."""
        draft = business.draft
        if draft is None or draft.tip != self._clerk.chain(settlement).tip:
            return None
        motion = next((m for m in ours if m.name == draft.name), None)
        if not isinstance(motion, Batch):
            return motion
        entries = {settled.entry for settled in draft.record.entries}
        same = tuple(case for case in motion.cases if case[0].id in entries)
        return Batch(motion.served, same) if len(same) == len(entries) else None

    def _propose(self, settlement: str, business: Standing, motion: Motion, head: Head, until: int) -> None:
        """Say what our draft says again while nothing has changed, so that the signatures it has stay good."""
        made, draft = self._clerk.record(motion, self._keypair.public_key), business.draft
        if made is None:
            return
        tip, now = self._clerk.chain(settlement).tip, head.closed_at
        if draft is None or (draft.tip, draft.record) != (tip, made) or draft.is_old(now):
            draft = business.draft = self._draft(motion, made, tip, now)
            self._log.event("settlement.proposed", index=made.index, entries=len(made.entries), shares=len(made.shares))
        draft.until, draft.said_at = until, now
        self._committee.say_proposal(settlement, Proposal(draft.signed.envelope))
        self._collect(settlement, business, self._signature(draft.signed.hash))

    def _draft(self, motion: Motion, made: SettlementRecord, tip: str, now: int) -> Draft:
        cid = records.pin(made, self._shelf.store)
        text = self._clerk.transaction(made, cid, motion.served, now + records.VALID_S)
        own = self._keypair.sign(opened(text, self._horizon.passphrase).hash)
        pair = (self._keypair.signature_hint(), own)
        signed = with_signatures(text, self._horizon.passphrase, [pair])
        return Draft(motion.name, motion.served.round.committee, made, signed, tip)

    def _collect(self, settlement: str, business: Standing, said: Cosignature) -> None:
        from stellar_sdk import Keypair
        from stellar_sdk.exceptions import BadSignatureError, Ed25519PublicKeyInvalidError

        draft = business.draft
        if draft is None or business.submitted is not None or said.transaction != draft.signed.hash:
            return
        if said.validator not in draft.committee:
            raise Declined(settlement=settlement, why="a signature of somebody who is not on the committee")
        try:
            Keypair.from_public_key(said.validator).verify(bytes.fromhex(said.transaction), said.signature)
        except (BadSignatureError, Ed25519PublicKeyInvalidError, ValueError):
            raise Declined(settlement=settlement, why="a signature that does not fit") from None
        draft.signatures[said.validator] = said.signature
        if len(draft.signatures) >= threshold(len(draft.committee)):
            self._submit(settlement, business, draft, threshold(len(draft.committee)))

    def _submit(self, settlement: str, business: Standing, draft: Draft, needed: int) -> None:
        """Exactly as many signatures as are needed: the ledger refuses a surplus one (txBAD_AUTH_EXTRA)."""
        from stellar_sdk import Keypair

        chosen = sorted(draft.signatures.items())[:needed]
        pairs = [(Keypair.from_public_key(v).signature_hint(), signature) for v, signature in chosen]
        business.submitted = with_signatures(draft.signed.envelope, self._horizon.passphrase, pairs)
        self._log.event("settlement.submitted", index=draft.record.index, hash=draft.signed.hash, signers=needed)
        self._follow(settlement, business)

    def _follow(self, settlement: str, business: Standing) -> None:
        if business.submitted is None:
            return
        try:
            outcome = look(self._horizon, business.submitted)
        except Refused as error:
            self._log.error("settlement.turned_away", error, settlement=settlement)
        else:
            if outcome is None:
                return
            word = "settlement.entered" if isinstance(outcome, Entered) else "settlement.failed"
            self._log.event(word, hash=business.submitted.hash, codes=getattr(outcome, "codes", ""))
        business.draft = business.submitted = None

    # --- the others

    def _cosign(self, settlement: str, business: Standing, proposal: Proposal) -> None:
        """Raises Declined, Malformed, Unavailable."""
        proposed = opened(proposal.envelope, self._horizon.passphrase)
        transaction = proposed.hash.hex()
        if transaction != business.cosigned:
            made = self._cosigner.check(settlement, proposed)
            business.cosigned = transaction
            self._log.event("settlement.cosigned", index=made.index, speaker=made.speaker)
        self._committee.say_signature(settlement, self._signature(transaction))

    def _signature(self, transaction: str) -> Cosignature:
        signature = self._keypair.sign(bytes.fromhex(transaction))
        return Cosignature(self._keypair.public_key, transaction, signature)
