"""Auditing a round: rebuilt from its lineage by anybody, byte for byte, and held against what the ledger says.

Nothing is taken from the round but what it claims. That it was published, that its contributions were entered, accepted
and credited, and who settled them, is read from transactions; updates are opened with the keys that the lineage
publishes (or a member's own, where the round is sealed) and fused again. What a Horizon has forgotten is unknown, never
untrue: then the audit ends as unavailable, and an archive (`ledger.archive`) can go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText, TxHash
from agent.core.ledger import Transaction
from agent.core.money import Stroops, text
from agent.core.round import Lineage, Round
from agent.core.verdict import threshold
from agent.errors import Refused
from agent.initiator import pay_trail
from agent.learn import weights
from agent.learn.fusion import Taken
from agent.ledger.envelope import Opened, opened
from agent.ledger.horizon import HistoryTooShort, Horizon
from agent.market import bundle, rebuild, records, registry, round_accounts, rulings, sealed, settlement
from agent.market.listing import following, publication
from agent.market.rebuild import Voice

if TYPE_CHECKING:
    from stellar_sdk import Keypair

Settled = dict[tuple[AccountId, CidText], settlement.StakeOutcome]
"""(vehicle, contribution) → what became of it."""
Finding = Literal["first", "rebuilt", "restored", "sealed", "wrong"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of it."""

    cid: CidText
    round: Round
    finding: Finding
    ledger: int | None
    """Ledger that published the round; None: none did."""
    credits: dict[CidText, Stroops]
    """Contribution → VLM stroops that the ledger paid for it, where it did."""
    faults: tuple[str, ...]
    """Sentences; without any, all that could be checked is as the round says."""


def audit(horizon: Horizon, shelf: bundle.Shelf, cid: CidText, reader: Keypair | None = None) -> Audit:
    """Rebuild round `cid`. `reader`: a member of the committee, or the initiator, who can open sealed updates.

    Raises Unavailable where ledger or store cannot be asked, or remember too little; Refused where `cid` is no round.
    """
    return _Auditor(horizon, horizon.archive or horizon, shelf, cid, reader).audit()


@dataclass
class _Auditor:
    horizon: Horizon
    history: Horizon
    """The Horizon that remembers most."""
    shelf: bundle.Shelf
    cid: CidText
    reader: Keypair | None
    faults: list[str] = field(default_factory=list)
    credits: dict[CidText, Stroops] = field(default_factory=dict)
    settlements: dict[TxHash, Settled] = field(default_factory=dict)
    records: dict[TxHash, CidText] = field(default_factory=dict)
    """Settlement → the CID of its record."""
    since: int = 0
    """No round is published before what it fuses was settled."""

    def audit(self) -> Audit:
        round_ = self.shelf.round(self.cid)
        finding = self._origin(round_)
        ledger = self._published(round_, self.cid, self.since)
        if ledger is None:
            self.faults.append("its initiator never published it")
        elif round_.pledge is not None:
            with suppress(HistoryTooShort):  # what is forgotten is unknown, and never untrue
                published = publication(self.history, round_, self.cid)
                self.faults += self._pay(round_, published) if published is not None else ()
        for why in (
            round_accounts.look(self.horizon, round_, self.horizon.account(round_.settlement)),
            registry.undrawn(self.horizon, self.shelf, round_),
        ):
            self.faults += [why] if why else []
        return Audit(
            cid=self.cid,
            round=round_,
            finding="wrong" if self.faults else finding,
            ledger=ledger,
            credits=self.credits,
            faults=tuple(self.faults),
        )

    def _pay(self, round_: Round, published: Transaction) -> Iterator[str]:
        """What is wrong with its pledge and with its arbiter's ruling, if there is one. Raises Unavailable."""
        yield from pay_trail.faults(self.horizon, round_, published)
        yield from rulings.faults(self.horizon, self.shelf, round_, self.cid)

    def _origin(self, round_: Round) -> Finding:
        """Where its weights come from, checked."""
        if round_.previous is None:
            if round_.number or round_.lineage or round_.restores:
                self.faults.append("it names no round before it")
            return "first"
        previous = self.shelf.round(round_.previous)
        if (previous.model, previous.number + 1) != (round_.model, round_.number):
            self.faults.append(f"{round_.previous} is round {previous.number} of {previous.model}: not the one before")
        if round_.restores is not None:
            return self._restored(round_, round_.restores)
        if not round_.lineage:
            self.faults.append("it neither fuses nor restores anything")
            return "rebuilt"
        return self._rebuilt(round_, round_.previous, previous)

    # --- restored

    def _restored(self, round_: Round, origin: CidText) -> Finding:
        earlier = self.shelf.round(origin)
        if earlier.model != round_.model or earlier.number >= round_.number:
            self.faults.append(f"{origin}, which it restores, is no earlier round of {round_.model}")
        elif self._published(earlier, origin, 0) is None:
            self.faults.append(f"{origin}, which it restores, was never published")
        self._same(origin, bundle.WEIGHTS, bundle.GRAPH, bundle.TEACHER)
        return "restored"

    # --- fused

    def _rebuilt(self, round_: Round, before: CidText, previous: Round) -> Finding:
        taking = self.shelf.taking(before)
        fused_before = {part.cid for earlier in taking.values() for part in earlier.lineage}
        parts: dict[CidText, Voice] = {}
        deltas: dict[CidText, weights.Weights] = {}
        for part in round_.lineage:
            try:
                if part.cid in parts or part.cid in fused_before:
                    raise Refused(what=part.cid, why="it was fused before")
                parts[part.cid] = self._voice(part, previous, taking)
                key = self._key(part, taking[parts[part.cid].base])
                if key is not None:
                    deltas[part.cid] = rebuild.delta(self.shelf, parts[part.cid], key)
            except Refused as error:
                self.faults.append(f"the contribution {part.cid}: {error.facts.get('why', error)}")
        self._same(before, bundle.GRAPH, bundle.TEACHER)
        if len(parts) != len(round_.lineage):
            return "wrong"
        if deltas.keys() != parts.keys():
            return "sealed"
        taken = Taken.of(round_.step, round_.strangers)
        again = rebuild.fuse(self.shelf, before, list(parts.values()), deltas, taken)
        if weights.dump(again) != _bytes(self.shelf.get(self.cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS):
            self.faults.append(f"{bundle.WEIGHTS} is not what the {previous.fusion} of its lineage gives")
        return "rebuilt"

    def _voice(self, part: Lineage, previous: Round, taking: dict[CidText, Round]) -> Voice:
        """The contribution as the ledger has it. Raises Refused."""
        contribution = self.shelf.contribution(part.cid)
        base = taking.get(contribution.base)
        if base is None:
            raise Refused(what=part.cid, why="it was trained on a round that took no entries any more")
        if contribution.vehicle != part.vehicle or contribution.model != base.model:
            raise Refused(what=part.cid, why="it is another vehicle's, or for another model, than the lineage says")
        self.credits[part.cid] = self._credit(part, base)
        age = previous.number - base.number
        weight = rebuild.weight_of(age)
        if part.weight != weight:
            why = f"its weight is {part.weight}, one voice on a base {age} rounds old is {weight}"
            self.faults.append(f"the contribution {part.cid}: {why}")
        if (part.validator, part.samples) != rebuild.counted(contribution, base, self.credits[part.cid]):
            self.faults.append(f"the contribution {part.cid}: it counts for another validator, or for other samples")
        return Voice(part.cid, part.vehicle, contribution.base, weight, part.settlement)

    def _credit(self, part: Lineage, base: Round) -> Stroops:
        """What the settlement that the lineage names paid for this contribution. Raises Refused."""
        if part.settlement not in self.settlements:
            try:
                self.settlements[part.settlement] = self._settlement(part.settlement, base)
            except HistoryTooShort:
                if part.proof is None:
                    raise
                self.settlements[part.settlement] = self._proven(part.settlement, part.proof, base)
        settled = self.settlements[part.settlement].get((part.vehicle, part.cid))
        if settled is None:
            raise Refused(what=part.cid, why=f"it was never accepted: {part.settlement} settles others")
        if settled.outcome != "accepted" and not (settled.outcome == "idle" and self._has_voice(part)):
            raise Refused(what=part.cid, why=f"it was never accepted: it was settled as {settled.outcome}")
        self._check_rolled(part)
        return settled.credit

    def _settlement(self, transaction: TxHash, base: Round) -> Settled:
        """(vehicle, contribution) → what became of it, of every entry that the committee of `base` settled with this
        transaction. Raises Refused."""
        found = self.history.recall(transaction, base.ledger)  # nothing was settled before it was published
        if found is None or not found.successful or found.source != base.settlement:
            raise Refused(what=transaction, why=f"it was never accepted: {transaction} is no settlement")
        envelope = opened(found.envelope, self.horizon.passphrase)
        _check_signed(envelope, transaction, base)
        self.records[transaction] = Cid.v0(envelope.memo).text if envelope.memo else CidText("")
        self.since = max(self.since, found.ledger)
        self._check_paid(envelope, transaction, base)
        entries: Settled = {}
        for stake, settled in settlement.read(envelope, base.settlement).items():
            entry = next(iter(self.history.touching(stake)), None)
            if entry is None:
                self.history.remembers(base.ledger)
                raise Refused(what=transaction, why=f"the entry that {transaction} settles is not on the ledger")
            memo = opened(entry.envelope, self.horizon.passphrase).memo
            entries[entry.source, Cid.v0(memo).text if memo else CidText("")] = settled
        return entries

    def _check_paid(self, envelope: Opened, transaction: TxHash, base: Round) -> None:
        """What was accepted is paid from what was locked."""
        if base.pledge is not None:
            paid = pay_trail.settled(envelope, base, 0)
            if paid.offered != paid.earned:
                why = f"{text(paid.earned)} XLM were earned, and {text(paid.offered)} put on offer"
                self.faults.append(f"the settlement {transaction} does not pay what it credits: {why}")

    def _proven(self, transaction: TxHash, proof: CidText, base: Round) -> Settled:
        """As `_settlement`, of one that the ledger's history has forgotten: by the transaction that its committee
        signed and the record that is in the account's chain to this day. Raises Refused, Unavailable."""
        record, signed = records.kept(self.shelf, proof)
        cid, envelope = records.record_cid(record), opened(signed, self.horizon.passphrase)
        if (envelope.hash.hex(), envelope.memo, envelope.source) != (transaction, cid.digest, base.settlement):
            raise Refused(what=transaction, why=f"it was never accepted: {proof} does not prove {transaction}")
        _check_signed(envelope, transaction, base)
        self._check_paid(envelope, transaction, base)
        account = self.horizon.account(base.settlement)
        chain = records.chain(self.shelf, records.newest(account) if account else None)
        if not any(cid.text == found for found, _ in takewhile(lambda each: each[1].index >= record.index, chain)):
            raise Refused(what=transaction, why=f"it was never accepted: the record of {transaction} is in no chain")
        paid = settlement.read(envelope, base.settlement)
        self.records[transaction] = cid.text
        return {(e.vehicle, e.contribution): paid[e.entry] for e in record.entries if e.entry in paid}

    def _has_voice(self, part: Lineage) -> bool:
        """Whether the record of its settlement has it fused. Raises Refused, Unavailable."""
        entries = self.shelf.record(self.records[part.settlement]).entries
        return any((e.contribution, e.vehicle) == (part.cid, part.vehicle) and e.has_voice for e in entries)

    def _check_rolled(self, part: Lineage) -> None:
        """It was put on a roll before it was judged: its settlement's record names one that comes before it in the
        chain. Raises Refused, Unavailable."""
        cid = self.records[part.settlement]
        record = self.shelf.record(cid)
        roll = self.shelf.record(record.roll) if record.roll is not None else None
        enrolled = roll.enrols.entries if roll is not None and roll.enrols is not None else ()
        is_on_it = (part.cid, part.vehicle) in {(one.contribution, one.vehicle) for one in enrolled}
        back = takewhile(lambda each: roll is not None and each[1].index >= roll.index, records.chain(self.shelf, cid))
        if not is_on_it or not any(found == record.roll for found, _ in back):
            raise Refused(what=part.cid, why=f"it was never on a roll that {part.settlement} settles")

    def _key(self, part: Lineage, base: Round) -> bytes | None:
        """What opens its update, or None where that is not for us. Raises Refused."""
        if (part.key is None) == (base.privacy == "open"):
            what = "is not published" if part.key is None else "is published"
            raise Refused(what=part.cid, why=f"its round is {base.privacy}, and its key {what}")
        if part.key is not None:
            return bytes.fromhex(part.key)
        boxes = self.shelf.contribution(part.cid).keys
        if self.reader is None or self.reader.public_key not in boxes:
            return None
        return sealed.key(boxes, self.reader)

    # --- beneath

    def _same(self, other: CidText, *names: str) -> None:
        """These files must be those of the round `other`."""
        mine, theirs = (self.shelf.get(cid, bundle.ROUND_LIMITS) for cid in (self.cid, other))
        for name in names:
            if _bytes(mine / name) != _bytes(theirs / name):
                self.faults.append(f"{name} is not that of {other}")

    def _published(self, round_: Round, cid: CidText, since: int) -> int | None:
        """The ledger in which the round's initiator offered XLM for it; where that is forgotten, the one by which it
        must have, if its account still stands by a round that follows from this one."""
        try:
            found = publication(self.history, round_, cid)
        except HistoryTooShort:
            if following(self.horizon, self.shelf, round_, cid) is None:
                raise
            return round_.ledger
        return None if found is None or found.ledger < since else found.ledger


def _check_signed(envelope: Opened, transaction: TxHash, base: Round) -> None:
    """Raises Refused."""
    signers = sum(envelope.is_signed_by(member) for member in set(base.committee))
    if signers < threshold(len(base.committee)):
        why = f"only {signers} of {len(base.committee)} validators signed its settlement {transaction}"
        raise Refused(what=transaction, why=why)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
