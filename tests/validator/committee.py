"""Three validators in one process: their own journals, test sets and shelves, one loopback broker, one localnet."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.cid import Cid
from agent.core.documents import Outcome
from agent.core.jobs.review import Review
from agent.core.record import ChainEnd
from agent.core.roll import Anchored
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.host.clock import SystemClock
from agent.host.logs import Log
from agent.journal import Journal, JournalReader
from agent.journal.book import every
from agent.learn.device import HERE
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market import settlement
from agent.market.bundle import Shelf
from agent.validator.book import ReviewBook
from agent.validator.chain import Chain
from agent.validator.committee import EVERYTHING, Committee
from agent.validator.daemon import Validator, ValidatorParts
from agent.validator.guard import Guard
from agent.validator.measurement import Measurement
from agent.validator.porter import Porter
from agent.validator.reviewing import Reviewing
from agent.validator.rounds import Rounds, Served
from agent.validator.settling import Settling
from agent.validator.vectors import Vectors
from tests.market.town import Town


@dataclass(frozen=True)
class End:
    """How an entry ended, as the ledger and the record behind the settlement's memo say."""

    outcome: Outcome
    credit: int
    returned: int
    reason: str
    signers: int


class LedgerClock(SystemClock):
    """Time that passes when a ledger closes."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed


class House:
    """A committee at work on a town's entries."""

    def __init__(self, town: Town, folder: Path, url: str = "") -> None:
        """`url`: of the Horizon that they ask, if it is not the town's."""
        self.town, self.folder, self.url = town, folder, url or town.net.url
        self.broker, self.clock = LoopbackBroker(), LedgerClock()
        self.logs = {key.public_key: io.StringIO() for key in town.committee}
        self.validators = {key.public_key: self.validator(key) for key in town.committee}

    def validator(self, key: Keypair) -> Validator:
        """A validator, new or started again over what it wrote down."""
        town, state = self.town, self.folder / key.public_key
        state.mkdir(parents=True, exist_ok=True)
        number = town.committee.index(key) + 1
        (state / "private.safetensors").write_bytes(town.lesson.tests(number).dump())
        horizon = Horizon(self.url, town.net.passphrase)
        book = ReviewBook(Journal(state / "reviews.sqlite"))
        shelf = Shelf(state / "bundles", town.store, keep=64)
        rounds = Rounds(horizon, shelf, (town.initiator.public_key,), key)
        link = LoopbackLink(self.broker, (EVERYTHING,))
        log = Log("debug", self.logs[key.public_key], journald=False)
        clock, guard = self.clock, Guard(log)
        settling = Settling(horizon, shelf, key, Committee(link, key.public_key), book, rounds, log)
        private = state / "private.safetensors"
        measurement = Measurement(shelf, key, private, Vectors(state / "updates"), HERE)
        porter = Porter(town.store, shelf.folder, patience_s=30.0)  # a folder's bundles are at hand, or not to be had
        return Validator(
            ValidatorParts(
                horizon=horizon,
                book=book,
                rounds=rounds,
                reviewing=Reviewing(horizon, shelf, book, rounds, measurement, porter, guard, clock, log, settling),
                settling=settling,
                guard=guard,
                link=link,
                clock=clock,
                log=log,
                account=key.public_key,
                state_dir=state,
                poll_s=1.0,
            )
        )

    def stop(self, account: str) -> None:
        """As a power cut would: nothing is said, what is on the disk stays."""
        validator = self.validators.pop(account)
        validator.parts.link.close()
        validator.parts.book.journal.close()
        validator.parts.horizon.close()

    def restart(self, account: str) -> None:
        if account in self.validators:
            self.stop(account)
        key = next(k for k in self.town.committee if k.public_key == account)
        self.validators[account] = self.validator(key)

    def close(self) -> None:
        for account in list(self.validators):
            self.stop(account)

    def turn(self, turns: int = 1, advance: int | None = None) -> None:
        for _ in range(turns):
            for validator in self.validators.values():
                validator.turn()
            self.town.net.close_ledger(advance=advance)
            self.clock.passed += advance or 5

    def enrol(self, *entries: str, turns: int = 60) -> None:
        """Until they are on a roll that the ledger holds, and nobody has judged what came on it last."""
        for _ in range(turns):
            if set(entries) <= self.rolls.keys():
                return
            self.turn()
        raise AssertionError(f"not on a roll: {self.log}")

    def settle(self, *entries: str, turns: int = 40, advance: int | None = None) -> None:
        """Until the ledger has settled them. Where one of three is silent, a third of all speakers are: give it enough
        turns for a dozen draws."""
        for _ in range(turns):
            if all(self.end(entry) is not None for entry in entries):
                return
            self.turn(advance=advance)
        raise AssertionError(f"not settled: {self.log}")

    def end(self, entry: str) -> End | None:
        town = self.town
        for transaction in town.horizon.touching(entry):
            if transaction.source == town.settlement:
                envelope = opened(transaction.envelope, town.net.passphrase)
                done = settlement.read(envelope, town.settlement)[entry]
                assert envelope.memo is not None
                record = town.shelf.record(str(Cid.v0(envelope.memo)))
                (found,) = [e for e in record.entries if e.entry == entry]
                assert (found.outcome, found.credit) == (done.outcome, done.credit)
                signers = sum(envelope.is_signed_by(k.public_key) for k in town.committee)
                return End(done.outcome, done.credit, done.returned, found.reason, signers)
        return None

    def chain_end(self) -> ChainEnd:
        """The newest record that the ledger anchors."""
        town = self.town
        account = town.horizon.account(town.settlement)
        assert account is not None
        return Chain(town.horizon, town.shelf, town.settlement).end(account)

    @property
    def rolls(self) -> Mapping[str, Anchored]:
        """Entry → the roll that it is on, of those on the newest round that are not settled."""
        town = self.town
        account, served = town.horizon.account(town.settlement), Served(town.cid, town.round, town.round.number)
        assert account is not None
        chain = Chain(town.horizon, town.shelf, town.settlement, lambda: [served])
        chain.end(account)
        return chain.rolls

    def reviews(self, account: str) -> dict[str, object]:
        """Entry → outcome, closed ones too."""
        found = every(JournalReader(self.folder / account / "reviews.sqlite"), Review)
        return {entry: review.outcome for entry, review in found.items()}

    @property
    def log(self) -> str:
        return "\n".join(f"--- {account[:8]}\n{text.getvalue()[-3000:]}" for account, text in self.logs.items())
