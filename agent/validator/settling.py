"""Settling together: the speaker proposes, the others rebuild and sign, the speaker submits.

What is to be done is decided by `core.committee`, one machine for each settlement account. Here it is told what was
seen and heard, and what it wants is done: signatures are checked and made, records pinned, transactions drawn up.
Nothing is written down but records and contributions; a fault in one account's business, or in one message, is counted
and passed over.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from agent.core import moves
from agent.core.agenda import VALID_S, CommitteeState
from agent.core.ballots import apart, halted
from agent.core.cid import Cid
from agent.core.committee import step
from agent.core.documents import SettlementRecord, Vote
from agent.core.ids import AccountId, CidText, StakeId, TxHash
from agent.core.ledger import Head
from agent.core.motion import attest, payday
from agent.core.record import ChainEnd
from agent.core.roll import Anchored, Ready
from agent.errors import Malformed, Refused, Unavailable
from agent.host.logs import Log
from agent.ledger.envelope import Signed, opened, with_signatures
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, Refusal, look
from agent.market import bundle, records
from agent.validator import ballots, transactions
from agent.validator.book import ReviewBook
from agent.validator.chain import Chain
from agent.validator.committee import Committee, Cosignature, Proposal
from agent.validator.guard import Guard
from agent.validator.rounds import Rounds
from agent.validator.view import LedgerView, Office

if TYPE_CHECKING:
    from stellar_sdk import Keypair


MOST_AWAITED = 16
"""Signed transactions, for one account, whose end is looked for."""


class Declined(Refused):
    """The proposal for {settlement} was not signed: {why}"""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A settlement that was signed here and may enter a ledger until `max_time`."""

    record: SettlementRecord
    max_time: int
    sequence: int
    """The settlement account's before it."""


@dataclass
class SettlementState:
    """One settlement account's business, as far as it is under way."""

    state: CommitteeState
    chain: Chain
    draft: Signed | None = None
    """Our proposal, signed by us alone."""
    submitted: Signed | None = None
    awaited: dict[TxHash, Awaited] = field(default_factory=dict)
    """By hash: it is kept with its record once a ledger holds it."""
    failed: str = ""
    """Why the last settlement of ours came to nothing."""
    is_owed: bool = False
    """Whether the newest round may leave something to be shared, or is to be attested or handed over."""
    halted: list[StakeId] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def awaits(self, transaction: TxHash, signed: Awaited) -> None:
        self.awaited = dict([*self.awaited.items(), (transaction, signed)][-MOST_AWAITED:])

    def notice(self, view: LedgerView) -> None:
        """What there is to be shown, by what was heard so far."""
        self.halted = halted(self.state, view)
        self.troubles = [
            *([self.failed] if self.failed else []),
            *(
                f"{validator} says two different things about the entry {entry[:16]}."
                for validator, entry in self.state.two_faced.items()
            ),
            *(
                f"{validator} measured another figure of the entry {entry[:16]} than two thirds of the committee."
                for validator, entry in apart(self.state, view).items()
            ),
            *(
                f"The round {cid} is not settled: {view.settlement} is not its model's and its committee's alone."
                for cid in view.foreign
            ),
        ]


class Settling:
    def __init__(
        self,
        horizon: Horizon,
        shelf: bundle.Shelf,
        keypair: Keypair,
        committee: Committee,
        book: ReviewBook,
        rounds: Rounds,
        log: Log,
    ) -> None:
        self._horizon, self._shelf, self._keypair = horizon, shelf, keypair
        self._committee, self._rounds, self._log = committee, rounds, log
        self._guard = Guard(log)
        self._office = Office(horizon, shelf, keypair, book, rounds, self._guard)
        self._states: dict[AccountId, SettlementState] = {}
        self._named: set[CidText] = set()
        """False rounds that were said to be."""
        self._passed_over: Counter[str] = Counter()
        """Messages by kind that nobody foresaw."""

    def hear(self) -> None:
        """Take in what the others said."""
        views: dict[AccountId, LedgerView] = {}
        for message in self._committee.receive():
            heard = self._guard("A message", partial(self._committee.read, message))
            if heard is None:
                continue
            settlement, said = heard
            if settlement not in self._rounds.settlements:
                continue
            view = views.setdefault(settlement, self._view(settlement, None))
            kind = type(said).__name__.lower()
            name = f"A {kind} for {settlement[:8]}"
            self._guard(name, partial(self._hear, view, said))
            self._passed_over[kind] += self._guard.failed(name)

    def speak(self, head: Head) -> None:
        """Say our votes, and settle when it is our turn. What another committee settles by now is over."""
        self._states = {s: current for s, current in self._states.items() if s in self._rounds.settlements}
        for settlement in sorted(self._rounds.settlements):
            view = self._view(settlement, head)
            self._guard(_label(settlement), partial(self._speak, view))
        self._guard.keep(_label(""), map(_label, self._rounds.settlements))

    def name_false(self) -> None:
        """Say which rounds are not what their lineage says: once, the broker keeps it."""
        for cid in self._rounds.false.keys() - self._named:
            self._committee.say_false(self._rounds.false[cid][0], cid, self._rounds.false[cid][1])
            self._named.add(cid)

    @property
    def halted(self) -> list[StakeId]:
        """Entries that cannot be settled because the committee does not agree on what it measured."""
        return [entry for current in self._states.values() for entry in current.halted]

    @property
    def troubles(self) -> list[str]:
        """A sentence for each thing that somebody should look into."""
        passed_over = [f"{n} messages ({kind}) were passed over." for kind, n in self._passed_over.items() if n]
        return [*self._guard.troubles, *passed_over, *(t for d in self._states.values() for t in d.troubles)]

    @property
    def is_busy(self) -> bool:
        """Whether something that was signed here may still enter a ledger, or the newest round leaves work."""
        return any(current.state.draft or current.awaited or current.is_owed for current in self._states.values())

    def forget(self, entry: StakeId) -> None:
        self._office.forget(entry)

    def rolls(self, settlement: AccountId) -> Mapping[StakeId, Anchored]:
        """Entry → the roll that it is on, as the ledger has it now. Raises Unavailable, Refused."""
        return self._view(settlement, None).rolls

    def prepare(self, settlement: AccountId, ready: Sequence[Ready]) -> None:
        """What can be put on a roll from now on."""
        self._office.ready[settlement] = ready

    # --- telling the machine

    def _view(self, settlement: AccountId, head: Head | None) -> LedgerView:
        if settlement not in self._states:
            chain = Chain(self._horizon, self._shelf, settlement, partial(self._rounds.of, settlement))
            self._states[settlement] = SettlementState(CommitteeState(account_of(self._keypair)), chain)
        return LedgerView(self._office, settlement, self._states[settlement].chain, head)

    def _speak(self, view: LedgerView) -> None:
        current = self._states[view.settlement]
        current.notice(view)
        self._tell(view, moves.Look())
        now = view.head.closed_at
        is_sharing = view.fused not in (None, current.state.shared_out)
        current.is_owed = (
            is_sharing or view.incoming is not None or any(attempt(view, now) for attempt in (attest, payday))
        )
        if current.awaited:
            self._guard(f"The last settlements of {view.settlement}", partial(self._keep_settlements, view, current))

    def _hear(self, view: LedgerView, said: Vote | Proposal | Cosignature) -> None:
        """What is refused is no trouble: anybody may say anything. What has to wait is said again."""
        try:
            match said:
                case Vote():
                    heard = self._vote(view, said)
                case Proposal():
                    heard = self._proposal(view, said)
                case Cosignature():
                    heard = self._cosignature(view, said)
            if heard is not None:
                self._tell(view, heard)
        except (Refused, Unavailable) as error:
            self._log.detail("message.refused", why=str(error))

    def _tell(self, view: LedgerView, said: moves.Said) -> None:
        current, told = self._states[view.settlement], deque([said])
        while told:
            current.state, actions = step(current.state, told.popleft(), view)
            for action in actions:
                told.extend(self._done(view, current, action))

    def _vote(self, view: LedgerView, said: Vote) -> moves.Said | None:
        served = view.rounds.get(said.round)
        if served is None or self._states[view.settlement].state.votes.get(said.entry, {}).get(said.validator) == said:
            return None
        ballots.check(said, served.round.committee)
        return moves.Heard(said)

    def _proposal(self, view: LedgerView, said: Proposal) -> moves.Said:
        members = {member for served in view.rounds.values() for member in served.round.committee}
        return transactions.proposed(said.envelope, self._horizon.passphrase, view.settlement, members)

    def _cosignature(self, view: LedgerView, said: Cosignature) -> moves.Said | None:
        from stellar_sdk import Keypair
        from stellar_sdk.exceptions import BadSignatureError

        current = self._states[view.settlement]
        if current.draft is None or said.transaction != current.draft.hash:
            return None
        try:
            Keypair.from_public_key(said.validator).verify(bytes.fromhex(said.transaction), said.signature)
        except (BadSignatureError, ValueError):
            raise Malformed(what="a message", why="its signature does not fit") from None
        return moves.Signature(said.validator, said.transaction, said.signature)

    # --- doing what it wants

    def _done(self, view: LedgerView, current: SettlementState, action: moves.Action) -> list[moves.Said]:
        match action:
            case moves.SayVote():
                self._committee.say_vote(view.settlement, action.vote)
                return []
            case moves.Propose():
                return self._propose(view, current, action)
            case moves.SayProposal():
                return self._say_proposal(view, current, action)
            case moves.FetchVotes():
                return self._fetch_votes(view, action)
            case moves.Cosign():
                return self._sign(view, current, action)
            case moves.SaySignature():
                return self._say_signature(view, action)
            case moves.Decline():
                self._log.detail("message.refused", why=str(Declined(settlement=view.settlement, why=action.why)))
                return []
            case moves.Submit():
                return self._submit(view, current, action)
            case moves.Follow():
                return self._follow(current, action)

    def _propose(self, view: LedgerView, current: SettlementState, action: moves.Propose) -> list[moves.Said]:
        made = action.record
        self._keep_contributions(made)
        cid = records.pin(made, self._shelf.store)
        text = self._transaction(view, made, cid, view.head.closed_at + VALID_S, action.fee)
        own = self._keypair.sign(opened(text, self._horizon.passphrase).hash)
        current.draft = with_signatures(text, self._horizon.passphrase, [(self._keypair.signature_hint(), own)])
        current.awaits(current.draft.hash, Awaited(made, current.draft.max_time, view.sequence))
        enrolled = len(made.enrols.entries) if made.enrols is not None else 0
        entries, shares = len(made.entries), len(made.shares)
        self._log.event("settlement.proposed", index=made.index, entries=entries, enrolled=enrolled, shares=shares)
        return [moves.Drafted(made, current.draft.hash, current.draft.max_time, own)]

    def _say_proposal(self, view: LedgerView, current: SettlementState, action: moves.SayProposal) -> list[moves.Said]:
        if current.draft is not None and current.draft.hash == action.hash:
            self._committee.say_proposal(view.settlement, Proposal(current.draft.envelope))
        return []

    def _fetch_votes(self, view: LedgerView, action: moves.FetchVotes) -> list[moves.Said]:
        """Nothing in the record but its votes, and whom it enrols, is looked at: the rest is built here."""
        proposed = action.proposed
        try:
            record = self._shelf.record(proposed.cid)
        except (Unavailable, Refused) as error:
            raise Declined(settlement=view.settlement, why=f"its record cannot be had: {error}") from None
        votes = tuple(vote for vote in record.votes if vote.entry in proposed.stakes)
        for vote in votes:
            served = view.rounds.get(vote.round)
            ballots.check(vote, served.round.committee if served is not None else ())
        enrolled = record.enrols.entries if record.enrols is not None else ()
        return [moves.Fetched(proposed, votes, tuple(one.entry for one in enrolled))]

    def _sign(self, view: LedgerView, current: SettlementState, action: moves.Cosign) -> list[moves.Said]:
        """It is pinned here too by then: a speaker that keeps record or contribution to itself breaks nothing."""
        made, proposed = action.record, action.proposed
        read = opened(proposed.envelope, self._horizon.passphrase)
        topped_up = transactions.topped_up(read)
        ours = self._transaction(view, made, Cid.parse(proposed.cid), proposed.max_time, proposed.fee, topped_up)
        if opened(ours, self._horizon.passphrase).hash.hex() != proposed.hash:
            raise Declined(settlement=view.settlement, why="the transaction is not the one this record makes")
        self._keep_contributions(made)
        records.pin(made, self._shelf.store)
        current.awaits(proposed.hash, Awaited(made, proposed.max_time, view.sequence))
        self._log.event("settlement.cosigned", index=made.index, speaker=made.speaker)
        return [moves.Cosigned(proposed)]

    def _say_signature(self, view: LedgerView, action: moves.SaySignature) -> list[moves.Said]:
        signature = self._keypair.sign(bytes.fromhex(action.hash))
        said = Cosignature(account_of(self._keypair), action.hash, signature)
        self._committee.say_signature(view.settlement, said)
        return []

    def _submit(self, view: LedgerView, current: SettlementState, action: moves.Submit) -> list[moves.Said]:
        from stellar_sdk import Keypair

        if current.draft is None or current.draft.hash != action.hash:
            return [moves.Over(action.hash)]
        pairs = [(Keypair.from_public_key(v).signature_hint(), s) for v, s in action.signatures.items()]
        current.submitted = with_signatures(current.draft.envelope, self._horizon.passphrase, pairs)
        self._log.event("settlement.submitted", hash=action.hash, signers=len(pairs))
        return self._follow(current, moves.Follow(action.hash))

    def _follow(self, current: SettlementState, action: moves.Follow) -> list[moves.Said]:
        if current.submitted is None or current.submitted.hash != action.hash:
            return [moves.Over(action.hash)]
        try:
            outcome = look(self._horizon, current.submitted)
        except Refused as error:
            current.failed = f"The settlement {action.hash[:16]} was turned away. {error}"
            self._log.error("settlement.turned_away", error, hash=action.hash)
            return [moves.Over(action.hash, underbid="INSUFFICIENT_FEE" in str(error))]
        if outcome is None:
            return []
        codes = getattr(outcome, "codes", "")
        word = "settlement.entered" if isinstance(outcome, InLedger) else "settlement.failed"
        self._log.event(word, hash=action.hash, codes=codes)
        current.failed = f"The settlement {action.hash[:16]} failed: {codes}" if codes else ""
        return [moves.Over(action.hash, failed=isinstance(outcome, Refusal))]

    def _transaction(
        self, view: LedgerView, made: SettlementRecord, cid: Cid, max_time: int, fee: int, topped_up: int | None = None
    ) -> str:
        """On the settlement account as it is now."""
        offers, round_ = self._horizon.offers(view.settlement), view.terms(made.round)
        pays = next(iter(view.pledge(round_)), None) if any(e.outcome == "accepted" for e in made.entries) else None
        return transactions.envelope(
            made, cid, round_, view.account, offers, self._horizon.passphrase, max_time, fee, topped_up, pays
        )

    def _keep_contributions(self, made: SettlementRecord) -> None:
        """What is paid, and what is judged together: who signed a roll can give the others what is on it."""
        enrolled = made.enrols.entries if made.enrols is not None else ()
        paid = [entry for entry in made.entries if entry.outcome == "accepted"]
        for contribution in [one.contribution for one in enrolled] + [entry.contribution for entry in paid]:
            self._office.keep(contribution)

    def _keep_settlements(self, view: LedgerView, current: SettlementState) -> None:
        """What was signed here is kept with its record once a ledger has it, so that no audit needs an old Horizon."""
        for transaction, awaited in list(current.awaited.items()):
            if view.sequence > awaited.sequence:
                found = self._horizon.find(transaction)
                if found is not None and found.successful:
                    cid = records.keep(awaited.record, found.envelope, self._shelf.store)
                    self._log.event("settlement.kept", index=awaited.record.index, cid=str(cid))
                if found is not None or _is_other(view.link, awaited.record, view):
                    del current.awaited[transaction]
                    continue
            if view.head.closed_at > awaited.max_time + VALID_S:
                del current.awaited[transaction]


def _is_other(link: ChainEnd, record: SettlementRecord, view: LedgerView) -> bool:
    """Whether another record has this one's place in the chain."""
    return link.index == record.index and link.cid != view.cid(record)


def _label(settlement: str) -> str:
    return f"The business of {settlement}"
