"""Three validators as one: the real admission, rolls, votes, records and transactions; the measurement is left out.

What is left out is the network run over the test sets, which has nothing to do with the number of vehicles' ways
through ledger, store and broker, and is measured by the validator's own benchmark. Entries are reviewed while a
settlement waits for its ledger, as validators do, each of which is a process of its own.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stellar_sdk import Keypair

from agent.core import record as records
from agent.core.agenda import VALID_S
from agent.core.documents import Contribution, Enrolled, Roll, SettlementRecord
from agent.core.fields import MOST_ON_ROLL
from agent.core.ids import AccountId, CidText, StakeId
from agent.core.jobs.fold import fold
from agent.core.jobs.review import Review, is_measured
from agent.core.ledger import Stake
from agent.core.money import XLM
from agent.core.pay import Till
from agent.core.roll import Anchored
from agent.core.verdict import Verdict, threshold
from agent.errors import Refused, Unavailable
from agent.learn import update
from agent.ledger.envelope import Signed, opened, with_signatures
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, look
from agent.market import pledge, strikes
from agent.market import records as kept
from agent.market.bundle import Shelf
from agent.market.strikes import GRACE_LEDGERS
from agent.validator import transactions
from agent.validator.admission import Admitted, Decision, Facts, decide
from agent.validator.ballots import vote
from agent.validator.chain import Chain
from agent.validator.entries import Entry, entry
from agent.validator.measurement import Judgement, brief
from agent.validator.rounds import Served
from tools.simulation.market import FIRST_WEIGHTS, Market

LOOK_S = 0.3
REVIEWERS = 3
"""Entries that are reviewed at a time."""
MOST_OPEN = 4 * records.MAX_ENTRIES
"""Entries that were found and are not settled yet; others wait on the ledger until there is room."""


def admission(horizon: Horizon, shelf: Shelf, found: Entry, served: Served) -> Decision:
    """As a validator's."""
    contribution: Contribution | Refused
    try:
        contribution = shelf.contribution(found.contribution)
    except Refused as error:
        contribution = error
    due = strikes.due(horizon, served.round, found.vehicle, found.ledger, GRACE_LEDGERS)
    return decide(Facts(found, (served,), {served.cid: due}, contribution=contribution))


def unmeasured(shelf: Shelf, keypair: Keypair, found: Entry, initiator: AccountId) -> Judgement:
    """An update that points down is harm, one that points up is gain."""
    delta = update.decode(shelf.update(found.contribution, keypair, initiator), FIRST_WEIGHTS)
    gain = float(delta["weight"].mean())
    if gain < 0:
        return Judgement(Verdict("rejected", 0, "loss on the global set rises from 1 to 1.3"), 1.3)
    return Judgement(Verdict("accepted", int(min(gain, 1.0) * 10_000_000), "loss falls"), 0.9, fused=True)


def _enrolled(review: Review) -> Enrolled:
    found = review.entry
    return Enrolled(
        entry=review.id,
        transaction=found.transaction,
        vehicle=found.vehicle,
        contribution=found.contribution,
        ledger=found.ledger,
    )


@dataclass(frozen=True, slots=True)
class Submitted:
    """A settlement that is on its way into a ledger."""

    record: SettlementRecord
    transaction: Signed


class Committee(threading.Thread):
    """Reviews and settles until it is told to stop. `failure`: what ended it."""

    def __init__(self, market: Market, shelf: Callable[[], Shelf]) -> None:
        super().__init__(name="committee", daemon=True)
        self.market = market
        self.settled = self.settlements = self.refused = 0
        self.review_s: list[float] = []
        """What each review took."""
        self.by_vehicle: Counter[str] = Counter()
        """Entries settled for each vehicle."""
        self.failure: BaseException | None = None
        self._shelf = shelf
        """() -> Shelf, one for each thread."""
        self._served = Served(market.cid, market.round, 0)
        self._stop_now = threading.Event()
        self._reviewers = ThreadPoolExecutor(REVIEWERS, "reviewer")
        self._reviews: dict[str, Future[Review | None]] = {}
        self._done: set[str] = set()
        self._submitted: Submitted | None = None

    def stop(self) -> None:
        self._stop_now.set()
        self.join()
        self._reviewers.shutdown(cancel_futures=True)

    def run(self) -> None:
        horizon = self.market.horizon()
        chain = Chain(horizon, self._shelf(), self.market.settlement, lambda: [self._served])
        try:
            while not self._stop_now.wait(LOOK_S):
                try:
                    self._look(horizon)
                    if self._submitted is None:
                        self._submitted = self._settle(horizon, chain)
                    else:
                        self._follow(horizon, self._submitted)
                except Unavailable:
                    continue  # as the validator does: the next look finds it
        except Exception as error:
            self.failure = error

    # --- review

    def _look(self, horizon: Horizon) -> None:
        """New stakes go to the reviewers, the oldest first."""
        for stake in horizon.stakes(self.market.settlement, self.market.dlc):
            if len(self._reviews) >= MOST_OPEN:
                return
            if stake.id not in self._reviews and stake.id not in self._done:
                self._reviews[stake.id] = self._reviewers.submit(self._review, stake)

    def _review(self, stake: Stake) -> Review | None:
        """None: to be looked at again."""
        market, horizon, began = self.market, self.market.horizon(), time.perf_counter()
        try:
            found = entry(horizon, stake, market.settlement, [market.round])
            if found is None:
                return None
            shelf = self._shelf()
            decision = admission(horizon, shelf, found, self._served)
            if isinstance(decision, Admitted):
                judgement = unmeasured(shelf, market.committee[0], found, market.round.initiator)
            elif isinstance(decision, Verdict):
                judgement = Judgement(decision, None)
            else:
                return None
        except Unavailable:
            return None
        review = fold(Review(stake.id), [found.found(market.settlement), brief(judgement, market.cid)])
        self.review_s.append(time.perf_counter() - began)
        return review

    def _reviewed(self) -> list[Review]:
        """The oldest entry first. What could not be reviewed is forgotten, so that it is found again."""
        over = {stake: future.result() for stake, future in self._reviews.items() if future.done()}
        for stake, review in over.items():
            if review is None:
                del self._reviews[stake]
        reviews = [review for review in over.values() if review is not None]
        return sorted(reviews, key=lambda review: (review.entry.ledger, review.id))

    # --- settlement

    def _settle(self, horizon: Horizon, chain: Chain) -> Submitted | None:
        """One record for each ledger, signed by as many as are needed: of what is on the oldest roll, or else the next
        roll."""
        market, reviews = self.market, self._reviewed()
        account = horizon.account(market.settlement)
        if not reviews or account is None:
            return None
        link, now, speaker = chain.end(account), horizon.head().closed_at, account_of(market.committee[0])
        balances = [*horizon.stakes(market.settlement, XLM)]
        ripe = [review for review in reviews if review.id in chain.rolls or not is_measured(review)]
        if ripe:
            assert market.round.pledge is not None  # noqa: S101
            till = Till(market.round.pledge, pledge.locked(market.round, balances), now + VALID_S)
            made = records.record(link, self._served, speaker, *self._cases(ripe, chain.rolls), till)
        else:
            roll = Roll(entries=tuple(map(_enrolled, reviews[:MOST_ON_ROLL])), drawn_at=now)
            made = records.enrolling(link, self._served, speaker, roll)
        cid = kept.pin(made, market.store)
        max_time = now + VALID_S
        offers = horizon.offers(market.settlement)
        earns = any(entry.outcome == "accepted" for entry in made.entries)
        pays = next(iter(pledge.of(market.round, balances)), None) if earns else None
        text = transactions.envelope(made, cid, market.round, account, offers, horizon.passphrase, max_time, pays=pays)
        return Submitted(made, with_signatures(text, horizon.passphrase, self._signatures(text, horizon.passphrase)))

    def _cases(
        self, ripe: Sequence[Review], rolls: Mapping[StakeId, Anchored]
    ) -> tuple[list[records.Case], records.Hindered, CidText | None]:
        """(those on one roll with their votes, nothing hinders anybody, the roll)."""
        of = {review.id: rolls[review.id].cid if review.id in rolls else None for review in ripe}
        roll = of[ripe[0].id]
        together = [review for review in ripe if of[review.id] == roll][: records.MAX_ENTRIES]
        cast = {review.id: [vote(review, key, roll) for key in self.market.committee] for review in together}
        cases: list[records.Case] = [(review, cast[review.id]) for review in together]
        return cases, lambda *_: None, roll

    def _follow(self, horizon: Horizon, submitted: Submitted) -> None:
        outcome = look(horizon, submitted.transaction)
        if outcome is None:
            return
        self._submitted = None
        if not isinstance(outcome, InLedger):
            self.refused += 1  # the standing offer was bought empty meanwhile: built anew, as validators do
            return
        for settled in submitted.record.entries:
            del self._reviews[settled.entry]
            self._done.add(settled.entry)
            self.by_vehicle[settled.vehicle] += 1
        self.settled += len(submitted.record.entries)
        self.settlements += bool(submitted.record.entries)

    def _signatures(self, envelope: str, passphrase: str) -> list[tuple[bytes, bytes]]:
        digest = opened(envelope, passphrase).hash
        needed: Sequence[Keypair] = self.market.committee[: threshold(len(self.market.committee))]
        return [(key.signature_hint(), key.sign(digest)) for key in needed]
