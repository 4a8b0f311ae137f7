"""Three validators in one thread: the real admission, votes, record and transaction; the measurement is left
out.

What is left out is the network run over the test sets, which has nothing to do with the number of vehicles'
ways through ledger, store and broker, and is measured by the validator's own benchmark.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.documents import Contribution, Vote
from agent.core.review import Review, advance
from agent.core.verdict import Verdict, threshold
from agent.errors import Unavailable
from agent.learn import update
from agent.ledger.envelope import with_signatures
from agent.ledger.horizon import Horizon
from agent.ledger.submission import Entered, look
from agent.market import bundle
from agent.validator import record as records
from agent.validator.ballots import vote
from agent.validator.chain import Chain
from agent.validator.entries import Entry, entry
from agent.validator.judge import Judge, Judgement, brief
from agent.validator.rounds import Served
from tools.simulation.market import FIRST_WEIGHTS, Market

LOOK_S = 0.3


class UnmeasuredJudge(Judge):
    """Admits as a validator does; an update that points down is harm, one that points up is gain."""

    def __init__(self, horizon: Horizon, shelf: bundle.Shelf, keypair: Keypair) -> None:
        # What measures (test sets, the network's runner) is not made at all.
        self._horizon, self._shelf, self._keypair = horizon, shelf, keypair

    def _measured(self, entry: Entry, contribution: Contribution, at: Served) -> Judgement:
        delta = update.decode(self._shelf.update(entry.contribution, self._keypair), FIRST_WEIGHTS)
        gain = float(delta["weight"].mean())
        if gain < 0:
            return Judgement(Verdict("rejected", 0, "loss on the global set rises from 1 to 1.3"), 1.3)
        return Judgement(Verdict("accepted", int(min(gain, 1.0) * 10_000_000), "loss falls"), 0.9)


class Committee(threading.Thread):
    """Reviews and settles until it is told to stop. `failure`: what ended it."""

    def __init__(self, market: Market, folder: Path) -> None:
        super().__init__(name="committee", daemon=True)
        self.market = market
        self.reviewed = self.settled = self.settlements = self.refused = 0
        self.reviewing_s = 0.0
        self.by_vehicle: Counter[str] = Counter()
        """Entries settled for each vehicle."""
        self.failure: BaseException | None = None
        self._stop_now = threading.Event()
        self._shelf = bundle.Shelf(folder / "committee", market.store, keep=64)
        self._open: dict[str, tuple[Review, Sequence[Vote]]] = {}
        self._seen: set[str] = set()
        self._chain = Chain(market.horizon(), self._shelf, market.settlement)

    def stop(self) -> None:
        self._stop_now.set()
        self.join()

    def run(self) -> None:
        horizon = self.market.horizon()
        judge = UnmeasuredJudge(horizon, self._shelf, self.market.committee[0])
        try:
            while not self._stop_now.wait(LOOK_S):
                try:
                    self._review(horizon, judge)
                    self._settle(horizon)
                except Unavailable:
                    continue  # as the validator does: the next look finds it
        except Exception as error:
            self.failure = error

    def _review(self, horizon: Horizon, judge: Judge) -> None:
        served = {self.market.cid: Served(self.market.cid, self.market.round, 0)}
        for stake in list(horizon.stakes(self.market.settlement)):
            if stake.id in self._seen or len(self._open) >= 100:
                continue
            began = time.perf_counter()
            found = entry(horizon, stake)
            if found is None:
                continue
            judgement = judge.judge(found, served)
            facts = {"settlement": self.market.settlement, **found.facts()}
            review = advance(Review(stake.id), "found", facts)
            review = advance(review, "judged", {"round": self.market.cid, **brief(judgement)})
            self._open[stake.id] = (review, [vote(review, key) for key in self.market.committee])
            self._seen.add(stake.id)
            self.reviewed += 1
            self.reviewing_s += time.perf_counter() - began

    def _settle(self, horizon: Horizon) -> None:
        """One record for each ledger, signed by as many as are needed."""
        if not self._open:
            return
        market = self.market
        entries = sorted(self._open.values(), key=lambda pair: (pair[0].facts["ledger"], pair[0].id))
        link = self._chain.look(since=int(entries[0][0].facts["ledger"]))
        speaker = market.committee[0].public_key
        made = records.record(link, Served(market.cid, market.round, 0), speaker, entries, lambda _: "")
        account = horizon.account(market.settlement)
        if account is None:
            return
        cid = records.pin(made, market.store)
        max_time = horizon.head().closed_at + records.VALID_S
        offers = horizon.offers(market.settlement)
        envelope = records.envelope(made, cid, market.round, account, offers, horizon.passphrase, max_time)
        signed = with_signatures(envelope, horizon.passphrase, self._signatures(envelope, horizon.passphrase))
        while not self._stop_now.is_set():
            outcome = look(horizon, signed)
            if outcome is None:
                self._stop_now.wait(LOOK_S)
                continue
            if not isinstance(outcome, Entered):
                self.refused += 1  # the standing offer was bought empty meanwhile: built anew, as validators do
                return
            break
        for settled in made.entries:
            self._open.pop(settled.entry, None)
            self.by_vehicle[settled.vehicle] += 1
        self.settled += len(made.entries)
        self.settlements += 1

    def _signatures(self, envelope: str, passphrase: str) -> list[tuple[bytes, bytes]]:
        from agent.ledger.envelope import opened

        digest = opened(envelope, passphrase).hash
        needed: Sequence[Keypair] = self.market.committee[: threshold(len(self.market.committee))]
        return [(key.signature_hint(), key.sign(digest)) for key in needed]
