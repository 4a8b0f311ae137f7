"""A committee of machines over a model ledger: messages are lost and repeated, members lie, and what applies is what
two thirds have signed for the account's next sequence number."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

from stellar_sdk import Keypair

from agent.core import moves
from agent.core.agenda import VALID_S, CommitteeState
from agent.core.cid import Cid
from agent.core.committee import step
from agent.core.documents import Enrolled, Outcome, Purse, SettlementRecord, Vote
from agent.core.ids import AccountId, CidText, TxHash
from agent.core.jobs.review import Found, Judged, Review
from agent.core.jobs.review import ReviewState as Reviewed
from agent.core.ledger import Head
from agent.core.money import UNIT
from agent.core.motion import Sharing
from agent.core.pay import Locked
from agent.core.record import ChainEnd, Hindrance
from agent.core.roll import Anchored, Ready
from agent.core.round import Round
from agent.core.verdict import threshold
from tests.core.test_documents import CID, a_round

MEMBERS = tuple(Keypair.from_raw_ed25519_seed(bytes([n]) * 32).public_key for n in range(1, 21))
STRANGER = Keypair.from_raw_ed25519_seed(b"\x63" * 32).public_key
LEDGER_S = 5
TURN_S = 30
STAKE = 10 * UNIT

LIES = (
    "silent",
    "harsh",
    "two votes",
    "other figure",
    "other reason",
    "no signatures",
    "hoards",
    "crooked",
    "other roll",
)
"""What a liar may do; in all else it does as an honest member."""


@dataclass(frozen=True)
class Served:
    cid: str
    round: Round
    newest: int = 0


def named(text: str) -> str:
    """A CID that stands for something."""
    return str(Cid.v0(sha256(text.encode()).digest()))


def a_review(
    number: int, *, ledger: int = 1, outcome: Outcome = "accepted", credit: int = UNIT, cid: str = CID
) -> Review:
    found = Found(
        settlement=AccountId(STRANGER),
        vehicle=AccountId(Keypair.from_raw_ed25519_seed(number.to_bytes(32, "big")).public_key),
        transaction=TxHash(sha256(b"t%d" % number).hexdigest()),
        ledger=ledger,
        entered_at=ledger * LEDGER_S,
        contribution=CidText(named(f"contribution {number}")),
        stake=STAKE,
    )
    judged = Judged(CidText(cid), outcome, credit if outcome == "accepted" else 0, "measured", "0.5")
    return Review(sha256(b"e%d" % number).hexdigest(), Reviewed.JUDGED, {Found: found, Judged: judged})


def entered(review: Review, **otherwise: Any) -> Review:
    """The same review of an entry that the ledger has otherwise."""
    return replace(review, events={**review.events, Found: replace(review.entry, **otherwise)})


def judged(review: Review, **otherwise: Any) -> Review:
    """The same entry with another verdict."""
    return replace(review, events={**review.events, Judged: replace(review.verdict, **otherwise)})


def a_vote(review: Review, validator: str, **other: object) -> Vote:
    verdict = review.verdict
    values = {
        "round": verdict.round,
        "entry": review.id,
        "contribution": review.entry.contribution,
        "validator": validator,
        "outcome": verdict.outcome,
        "reason": "measured",
        "credit": verdict.credit,
        "figure": Decimal("0.5"),
    }
    return Vote(**{**values, **other})


def a_ready(review: Review) -> Ready:
    found, round_ = review.entry, review.verdict.round
    names = ("transaction", "vehicle", "contribution", "ledger")
    enrolled = Enrolled(entry=review.id, **{name: getattr(found, name) for name in names})
    return Ready(enrolled, found.entered_at, (round_, round_))


@dataclass
class Sight:
    """What one member sees; the same questions as of the real one, answered from the model."""

    world: Chamber
    us: str
    rounds: Mapping[str, Served]
    own: Mapping[str, tuple[Review, Vote]]
    head: Head
    sequence: int
    link: ChainEnd
    ready: tuple[Ready, ...] = ()
    rolls: Mapping[str, Anchored] = field(default_factory=dict)
    sharing: Sharing | None = None
    free: int = 50 * UNIT
    incoming: Served | None = None
    oldest: int | None = None

    @property
    def newest(self) -> Served | None:
        return max(self.rounds.values(), key=lambda served: served.round.number, default=None)

    def hindered(self, review: Review, credit: int) -> Hindrance | None:
        if review.id in self.world.disputed:
            return Hindrance("rejected", f"{self.us} sees it so")
        return self.world.hindrances.get(review.id)

    def locked(self, round_: Round) -> Locked:
        return self.world.locked

    def is_troubled(self, entry: str) -> bool:
        return entry in self.world.troubled

    def receives(self, vehicle: str, amount: int) -> bool:
        return vehicle not in self.world.closed

    def takes(self, validator: str, amount: int) -> bool:
        return validator not in self.world.closed

    def cid(self, record: SettlementRecord) -> str:
        return str(Cid.v0(sha256(record.to_bytes()).digest()))


@dataclass(frozen=True)
class Transaction:
    record: SettlementRecord
    cid: str
    sequence: int
    max_time: int
    fee: int
    by: str

    @property
    def hash(self) -> str:
        words = f"{self.cid} {self.sequence} {self.max_time} {self.fee} {self.by}"
        return sha256(words.encode()).hexdigest()


@dataclass
class Chamber:
    size: int = 3
    lies: Mapping[str, str] = field(default_factory=dict)
    """Liar → what it does."""
    newest: int = 0
    sharing: Sharing | None = None
    purse: Purse = field(default_factory=Purse)
    dice: Random = field(default_factory=lambda: Random(0))
    turn: int = TURN_S
    terms: Mapping[str, int] = field(default_factory=dict)
    """The round's `collect`, `most` and `least`."""

    def __post_init__(self) -> None:
        self.members = MEMBERS[: self.size]
        bounds = {"committee": self.members, "turn": self.turn, "review_window": 3600, **self.terms}
        self.served = Served(CID, a_round(number=self.newest, **bounds), self.newest)
        self.signers = self.members
        """Whose signatures count."""
        self.states = {member: CommitteeState(member) for member in self.members}
        self.ledger, self.sequence, self.link = 10, 100, ChainEnd(purse=self.purse)
        self.reviews: dict[str, Review] = {}
        self.collected: set[str] = set()
        """Entries that are judged on a roll, and not before."""
        self.lacking: dict[str, set[str]] = {}
        """Member → entries whose bundles it lacks."""
        self.rolls: dict[str, Anchored] = {}
        self._votes: dict[tuple[str, str], tuple[tuple[Review, Anchored | None], Vote]] = {}
        self._readies: dict[str, tuple[Review, Ready]] = {}
        self.transactions: dict[str, Transaction] = {}
        self.pinned: dict[str, SettlementRecord] = {}
        self.applied: list[Transaction] = []
        self.queue: list[tuple[Transaction, dict[str, bytes]]] = []
        self.mail: deque[tuple[str, str, moves.Said]] = deque()
        self.hindrances: dict[str, Hindrance] = {}
        self.disputed: set[str] = set()
        """Entries that every member sees otherwise."""
        self.troubled: set[str] = set()
        self.failing: set[str] = set()
        """Entries by which a transaction fails."""
        self.remembers = True
        """Whether its history can be looked up."""
        self.locked = Locked(0)
        """What is there of its round's pledge, where that has one."""
        self.closed: set[str] = set()
        """Vehicles that can be paid no share."""
        self.least_fee = 0
        self.lost = 0.0
        """The share of messages that is lost."""
        self.late = self.restarts = self.outages = 0.0
        """The share of messages that come a ledger later; chances of each member at each visit to have lost its mind,
        and to have no store to fetch or pin anything with."""
        self.cut_off: set[str] = set()
        self.said: list[tuple[str, moves.Action]] = []

    # --- what members see

    @property
    def head(self) -> Head:
        return Head(self.ledger, self.ledger * LEDGER_S, sha256(b"ledger %d" % self.ledger).hexdigest())

    def enters(self, *reviews: Review) -> None:
        self.reviews |= {review.id: review for review in reviews}

    def collects(self, *reviews: Review) -> None:
        """Entries that need a roll."""
        self.enters(*reviews)
        self.collected |= {review.id for review in reviews}

    def view(self, member: str) -> Sight:
        lacks, waits = self.lacking.get(member, set()), self.collected - self.rolls.keys()
        judged = {e: r for e, r in self.reviews.items() if e not in waits and not self._is_away(e, lacks)}
        own = {entry: (review, self._signed(review, member)) for entry, review in judged.items()}
        ready = tuple(self._ready(self.reviews[e]) for e in sorted(waits - lacks) if e in self.reviews)
        rounds = {self.served.cid: self.served}
        return Sight(
            self, member, rounds, own, self.head, self.sequence, self.link, ready, dict(self.rolls), self.sharing
        )

    def _ready(self, review: Review) -> Ready:
        """Made once, as a vote is."""
        known = self._readies.get(review.id)
        if known is None or known[0] is not review:
            self._readies[review.id] = known = review, a_ready(review)
        return known[1]

    def _is_away(self, entry: str, lacks: set[str]) -> bool:
        """Whether what is on the entry's roll is not all to be had."""
        on = self.rolls.get(entry)
        return on is not None and any(one.entry in lacks for one in on.roll.entries)

    def _signed(self, review: Review, member: str) -> Vote:
        """A vote is made once, as in life, until the review or its roll is another."""
        key = (member, review.id)
        about = (review, self.rolls.get(review.id))
        known = self._votes.get(key)
        if known is None or known[0][0] is not about[0] or known[0][1] is not about[1]:
            self._votes[key] = known = about, self.own_vote(review, member)
        return known[1]

    def own_vote(self, review: Review, member: str) -> Vote:
        lie, on = self.lies.get(member), self.rolls.get(review.id)
        roll = on.cid if on is not None else None
        if lie == "harsh":
            return a_vote(review, member, outcome="rejected", credit=0, roll=roll)
        if lie == "other figure":
            return a_vote(review, member, figure=Decimal("0.51"), roll=roll)
        if lie == "other roll":
            return a_vote(review, member, outcome="rejected", credit=0, roll=named("another roll"))
        return a_vote(review, member, roll=roll)

    # --- what happens

    def tick(self) -> None:
        """One ledger: everybody looks, everything that is said is heard, and what was handed in applies."""
        for member in self.members:
            self.tell(member, moves.Look())
        self.deliver()
        self.close()

    def visit(self) -> None:
        """One ledger as daemons have it: each, in any order, hears what has come for it by then, and looks once."""
        for member in self.dice.sample(self.members, self.size):
            self.cut_off.discard(member)
            if self.dice.random() < self.outages:
                self.cut_off.add(member)
            come = [mail for mail in self.mail if mail[1] == member]
            self.mail = deque(mail for mail in self.mail if mail[1] != member)
            if self.dice.random() < self.restarts:
                self.states[member], come = CommitteeState(member), []
            for mail in come:
                if self.dice.random() < self.late:
                    self.mail.append(mail)
                elif self.dice.random() >= self.lost:
                    self.tell(member, mail[2])
            self.tell(member, moves.Look())
        self.close()

    def settle(self, ticks: int) -> None:
        for _ in range(ticks):
            if not self.reviews:
                return
            self.tick()

    def deliver(self) -> None:
        while self.mail:
            _, to, said = self.mail.popleft()
            if self.dice.random() >= self.lost:
                self.tell(to, said)

    def close(self) -> None:
        """The model ledger's own law: the next sequence number, in time, signed by two thirds, each claim once."""
        self.ledger += 1
        for transaction, signatures in self.queue:
            valid = sum(
                sign(member, transaction.hash) == s for member, s in signatures.items() if member in self.signers
            )
            if transaction.sequence != self.sequence + 1 or transaction.max_time < self.head.closed_at:
                continue
            if valid < threshold(len(self.signers)) or transaction.fee < self.least_fee:
                continue
            self.sequence += 1
            entries = {settled.entry for settled in transaction.record.entries}
            if entries & self.failing or not entries <= self.reviews.keys():
                self.troubled |= entries & self.failing if self.remembers else set()
                continue
            self.applied.append(transaction)
            record = transaction.record
            self.signers = record.committee or self.signers
            if record.enrols is not None:
                anchored = Anchored(transaction.cid, record.round, record.enrols)
                assert not self.rolls.keys() & {one.entry for one in record.enrols.entries}
                self.rolls |= {one.entry: anchored for one in record.enrols.entries}
            self.link = ChainEnd(
                record.index, transaction.cid, record.agreements, record.purse, record.attested, record.wages
            )
            for entry in entries:
                del self.reviews[entry]
        self.queue = [(t, s) for t, s in self.queue if t.sequence > self.sequence]

    def tell(self, member: str, said: moves.Said) -> None:
        view, told = self.view(member), deque([said])
        while told:
            self.states[member], actions = step(self.states[member], told.popleft(), view)
            for action in actions:
                self.said.append((member, action))
                told.extend(self.do(member, action, view))

    def do(self, member: str, action: moves.Action, view: Sight) -> list[moves.Said]:
        lie = self.lies.get(member)
        needs_store = isinstance(action, moves.Propose | moves.FetchVotes | moves.Cosign)
        if lie == "silent" or (needs_store and member in self.cut_off):
            return []
        if isinstance(action, moves.SayVote):
            self.say_vote(member, action.vote, lie)
        elif isinstance(action, moves.Propose):
            return [self.propose(member, action, view, lie)]
        elif isinstance(action, moves.SayProposal):
            self.say(member, self.proposed(action.hash))
        elif isinstance(action, moves.FetchVotes):
            record = self.pinned.get(action.proposed.cid)
            if record is None:
                return []
            enrolled = tuple(one.entry for one in record.enrols.entries) if record.enrols is not None else ()
            return [moves.Fetched(action.proposed, record.votes, enrolled)]
        elif isinstance(action, moves.Cosign):
            transaction = self.transactions[action.proposed.hash]
            if (transaction.record, transaction.sequence) == (action.record, self.sequence + 1):
                return [moves.Cosigned(action.proposed)]
        elif isinstance(action, moves.SaySignature):
            if lie != "no signatures":
                self.say(member, moves.Signature(member, action.hash, sign(member, action.hash)))
        elif isinstance(action, moves.Submit):
            if lie != "hoards":
                self.queue.append((self.transactions[action.hash], dict(action.signatures)))
        elif isinstance(action, moves.Follow):
            transaction = self.transactions[action.hash]
            over = transaction.sequence <= self.sequence or transaction.max_time < self.head.closed_at
            failed = transaction.sequence <= self.sequence and transaction not in self.applied
            return [moves.Over(action.hash, failed=failed)] if over else []
        return []

    def say_vote(self, member: str, vote: Vote, lie: str | None) -> None:
        for number, to in enumerate(self.members):
            other = vote
            if lie == "two votes" and number % 2:
                other = vote.model_copy(update={"outcome": "rejected", "credit": 0})
            if lie == "other reason":
                other = vote.model_copy(update={"reason": f"because of {number}"})
            if to != member:
                self.mail.append((member, to, moves.Heard(other)))

    def propose(self, member: str, action: moves.Propose, view: Sight, lie: str | None) -> moves.Said:
        made = action.record
        if lie == "crooked" and made.entries:
            taken = tuple(e.model_copy(update={"outcome": "rejected", "credit": 0}) for e in made.entries)
            made = made.model_copy(update={"entries": taken})
        if lie == "crooked" and made.enrols is not None and len(made.enrols.entries) > 1:
            rest = made.enrols.model_copy(update={"entries": made.enrols.entries[1:]})
            made = made.model_copy(update={"enrols": rest})
        cid, until = view.cid(made), self.head.closed_at + VALID_S
        transaction = Transaction(made, cid, self.sequence + 1, until, action.fee, member)
        self.pinned[cid] = made
        self.transactions[transaction.hash] = transaction
        return moves.Drafted(action.record, transaction.hash, until, sign(member, transaction.hash))

    def proposed(self, hash: str) -> moves.Proposed:
        transaction = self.transactions[hash]
        stakes = tuple(settled.entry for settled in transaction.record.entries)
        signers = frozenset([transaction.by])
        hands_over = transaction.record.committee not in (None, self.signers)
        enrols = transaction.record.enrols is not None or (transaction.record.committee is not None and not hands_over)
        return moves.Proposed(
            hash, transaction.cid, stakes, signers, transaction.max_time, transaction.fee, enrols, hands_over
        )

    def say(self, member: str, said: moves.Said) -> None:
        self.mail.extend((member, to, said) for to in self.members if to != member)

    # --- what came of it

    @property
    def ends(self) -> dict[str, tuple[str, int]]:
        """Entry → (outcome, credit), as the ledger has it."""
        return {e.entry: (e.outcome, e.credit) for t in self.applied for e in t.record.entries}

    def proposals(self, member: str) -> list[moves.Propose]:
        return [action for who, action in self.said if who == member and isinstance(action, moves.Propose)]


def sign(member: str, hash: str) -> bytes:
    return f"{member} {hash}".encode()
