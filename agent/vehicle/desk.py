"""What a job is owed, done: one errand per step, each returning the events to be written down, or none to wait.

Errands run one at a time beside the daemon's loop, so that a slow network never stops the odometer. Each may run
twice; its docstring says why that is harmless. Whatever must not be done twice is in the journal, signed, first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.core.documents import Contribution, Round
from agent.core.job import Job, Step
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, stroops, text
from agent.errors import Refused, TryAgain, Unavailable
from agent.host.sections import Config
from agent.ledger import keys
from agent.ledger.envelope import Signed, build, opened, signed, stake_id
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids, received
from agent.ledger.submission import Entered, Lapsed, look
from agent.market import bundle, entry, sealed, settlement, strikes
from agent.ports import LabelledFrame, Trainer, TrainingTask
from agent.vehicle.offers import Market, chance, listings, survey
from agent.vehicle.onlooker import Onlooker

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation


Sink = Callable[[LabelledFrame], None]
Events = list[tuple[str, dict[str, Any]]]

VALID_S = 120
"""Seconds of ledger time in which an envelope may apply. PROTOCOL section 5 allows 300."""

MOST_REFUSALS = 5
"""Entries that a ledger turned down before the job gives up. A closing never gives up: it is the vehicle's money."""


class NotAuthorised(TryAgain):
    """The operator has not authorised this vehicle's DLC trustline yet"""


@dataclass
class Desk:
    """Everything the errands need."""

    config: Config
    horizon: Horizon
    shelf: bundle.Shelf
    trainer: Trainer
    keypair: Keypair
    folder: Path
    """Jobs' scratch."""
    outcomes: Callable[[], list[str]]
    """Outcomes of this vehicle's past jobs."""
    last_round: Callable[[str], str | None] = lambda _: None
    """CID of the round that the last job of a model was for."""
    last_choice: Callable[[], Mapping[str, Any]] = dict
    """What the last job chose: what to train on while nobody can be asked."""
    onlooker: Onlooker | None = None
    """What saw the trip that is being finished."""

    def do(self, job: Job, step: Step) -> Events:
        """Run the errand for a step. Raises Unavailable or TryAgain (wait), other MilepostErrors (wait longer)."""
        return ERRANDS[step](self, job)

    # --- before the trip ends

    def choose(self, job: Job) -> Events:
        """Reads only. Another look may choose differently; only what is written down counts.

        Without a network it is the last choice again, where its round is still here. Nothing is at stake before
        `sign`, and that asks the ledger whether the round is still open.
        """
        try:
            account = self._enrolled()
            market = self.survey(account)
        except Unavailable:
            last = self.last_choice()
            if last and self.shelf.holds(last["round"]):
                return [("chosen", {**last, "offline": True})]
            raise
        winner = market.winner
        offers = [_numbers(r.candidate, r.net, r.lost) for r in market.ranked]
        if winner is None:
            raise NoOffer(why="; ".join([*(o["lost"] for o in offers), *market.passed_over]) or "nobody offers any")
        return [
            (
                "chosen",
                {
                    "round": winner.cid,
                    "number": winner.round,
                    "model": winner.model,
                    "offer": winner.offer,
                    "reward": winner.reward,
                    "stake": winner.stake,
                    "offers": offers,
                    "passed_over": list(market.passed_over),
                },
            )
        ]

    def survey(self, account: Account | None = None) -> Market:
        account = account or self._account()
        seen = chance(self.config.market.accept_probability, self.outcomes())
        return survey(self.horizon, self.shelf, self.config, account, self.unfit, seen)

    def unfit(self, round_: Round, cid: str) -> str:
        """Why this machine cannot train a round, or ''."""
        from agent.learn import fitness

        try:
            fitness.check(round_, self.shelf.get(cid, bundle.ROUND_LIMITS), self.config.train.memory_mb)
        except Refused as error:
            return str(error)
        return ""

    def fetch(self, job: Job) -> Events:
        """The shelf holds what was fetched before."""
        self.shelf.get(job.facts["round"], bundle.ROUND_LIMITS)
        return [("fetched", {})]

    # --- at arrival

    def finish(self, job: Job) -> Events:
        """The trainer's last checkpoint gives the same result again."""
        from agent.learn import update, weights
        from agent.learn.handover import NothingLearnt

        round_ = self._round(job)
        try:
            trained = self.trainer.finish(self.task(job))
        except NothingLearnt as error:
            return [("passed", {"reason": str(error)})]
        base = weights.load((self.shelf.get(job.facts["round"], bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes())
        after = weights.load(trained.weights.read_bytes())
        encoded = update.encode(round_.recipe.encoding, base, after, self._residual(round_, base))
        home = self.home(job)
        home.mkdir(parents=True, exist_ok=True)
        (home / "residual").write_bytes(update.seal_residual(encoded.residual, self._residual_key()))
        purpose = bundle.update_purpose(job.facts["round"], self.keypair.public_key)
        readers = (*round_.committee, round_.initiator)
        ciphertext, boxes = sealed.seal(encoded.data, purpose, readers)
        contribution = Contribution(
            model=round_.model,
            base=job.facts["round"],
            vehicle=self.keypair.public_key,
            samples=trained.samples,
            steps=trained.steps,
            planned=round_.recipe.steps,
            encoding=round_.recipe.encoding,
            encoding_error=encoded.error,
            keys=boxes,
            fingerprint=trained.fingerprint,
            held_back=None if trained.held_back is None else Decimal(f"{trained.held_back:.6f}"),
            software=f"milepost-{__version__}",
            profile=self.config.agent.profile,
        )
        bundle.lay(home / "contribution", {bundle.CONTRIBUTION: contribution.to_bytes(), bundle.UPDATE: ciphertext})
        facts = {"samples": trained.samples, "steps": trained.steps, "held_back": trained.held_back}
        return [("trained", {**facts, "shadow": self._shadow(job, round_)})]

    def _shadow(self, job: Job, round_: Round) -> dict[str, Any] | None:
        """How the round did on this trip's road, beside the one before. None where there is nothing to compare."""
        from agent.learn.runner import Machine

        last = self.last_round(round_.model)
        if self.onlooker is None or last in (None, job.facts["round"]) or not self.shelf.holds(str(last)):
            return None
        machine = Machine(self.config.inference.provider, self.config.inference.threads)
        newest, before = (self.shelf.get(cid, bundle.ROUND_LIMITS) for cid in (job.facts["round"], str(last)))
        try:
            verdict = self.onlooker.verdict(newest, before, machine)
        except Refused:  # the last round had another form
            return None
        return None if verdict is None else {**asdict(verdict), "against": last}

    def store(self, job: Job) -> Events:
        """The same bytes have the same CID."""
        cid = self.shelf.store.put(self.home(job) / "contribution")
        return [("stored", {"contribution": str(cid)})]

    # --- on the ledger

    def sign(self, job: Job) -> Events:
        """Nothing leaves the car here. A second envelope is only ever built once the first can no longer apply."""
        if job.refusals >= MOST_REFUSALS:
            return [("passed", {"reason": f"the ledger turned the entry down: {job.facts['codes']}"})]
        round_, account, head = self._round(job), self._enrolled(), self.horizon.head()
        if closed := self._closed(round_):
            return [("passed", {"reason": closed})]
        stake = strikes.due(self.horizon, round_, account.id, head.sequence)
        if stake > stroops(self.config.market.max_stake):
            return [("passed", {"reason": f"the stake rose to {text(stake)} DLC, above market.max_stake"})]
        price = self.horizon.price(Asset.parse(round_.stake.asset), XLM)
        operations = entry.entry(round_, account, stake, price, head.closed_at)
        made = self._signed(account, operations, head.closed_at, job)
        facts = {
            "stake": stake,
            "stake_id": stake_id(made.envelope, self.horizon.passphrase, len(operations) - 1),
            "take_back_at": head.closed_at + round_.review_window,
        }
        return [("signed", {**asdict(made), **facts})]

    def submit(self, job: Job) -> Events:
        """The same envelope has the same hash, and a hash applies once."""
        outcome = look(self.horizon, _envelope(job))
        if isinstance(outcome, Entered):
            self._keep_residual(job)
            bids = list(offer_ids(outcome.result).values())
            return [("entered", {"ledger": outcome.ledger, "bids": bids})]
        return _not_entered(outcome)

    def watch(self, job: Job) -> Events:
        """Reads only."""
        stake, round_ = job.facts["stake_id"], self._round(job)
        for transaction in self.horizon.touching(stake):
            if transaction.source != round_.settlement:
                continue
            envelope = opened(transaction.envelope, self.horizon.passphrase)
            found = settlement.read(envelope, round_.settlement).get(stake)
            if found is not None:
                facts = {
                    "credit": found.credit,
                    "returned": found.returned,
                    "settlement": transaction.hash,
                    "reason": self._reason(envelope.memo, stake),
                }
                return [(found.outcome, facts)]
        if job.outcome != "silent" and self.horizon.head().closed_at >= job.facts["take_back_at"]:
            return [("silent", {"reason": "nobody judged the contribution within the review window"})]
        return []

    def close(self, job: Job) -> Events:
        """As `sign`."""
        if job.outcome == "silent" and self.horizon.stake(job.facts["stake_id"]) is None:
            return self.watch(job)
        round_, account = self._round(job), self._account()
        still_open = {offer.id for offer in self.horizon.offers(account.id)}
        operations = entry.closing(
            round_,
            account.id,
            credit=job.facts.get("credit", 0),
            reward=job.facts["reward"],
            take_back=job.facts["stake_id"] if job.outcome == "silent" else None,
            bids=[bid for bid in job.facts["bids"] if bid in still_open],
        )
        if not operations:
            return [("closed", {"paid": 0})]
        return [("closing", asdict(self._signed(account, operations, self.horizon.head().closed_at, job)))]

    def collect(self, job: Job) -> Events:
        """As `submit`."""
        outcome = look(self.horizon, _envelope(job))
        if isinstance(outcome, Entered):
            return [("closed", {"paid": received(outcome.result)})]
        return _not_entered(outcome)

    # --- beneath

    def task(self, job: Job) -> TrainingTask:
        """What the trainer is told. The same job gives the same task, so training goes on after a restart."""
        base = self.shelf.get(job.facts["round"], bundle.ROUND_LIMITS)
        return TrainingTask(
            self.home(job), base, self._round(job), zlib.crc32(f"{self.keypair.public_key}/{job.id}".encode())
        )

    def taught(self, round_: Round, base: Path, feed: Sink) -> Sink:
        """`feed`, with the labels of the round's teacher in place of what the driver did. Raises OtherTeacher."""
        from agent.learn import graph
        from agent.learn.runner import Machine
        from agent.learn.samples import planes, prepare
        from agent.learn.teacher import NAME, Teacher

        machine = Machine(self.config.inference.provider, self.config.inference.threads)
        teacher = Teacher(graph.check(base / NAME), round_, machine)

        def label(frame: LabelledFrame) -> None:
            (sure,) = teacher.label(planes(prepare(frame.image, round_.input)[None]))
            feed(LabelledFrame(frame.t, frame.image, sure))

        return label

    def home(self, job: Job) -> Path:
        return self.folder / job.id

    def _round(self, job: Job) -> Round:
        return self.shelf.round(job.facts["round"])

    def _closed(self, round_: Round) -> str:
        """Why the round takes no entries any more, or '': a stake on it would be lost."""
        found, _ = listings(self.horizon, [round_.initiator])
        open_now = [self.shelf.round(offered.cid) for offered in found if offered.offer.buying == round_.model_asset]
        if not open_now:
            return f"{round_.model} is not offered any more"
        newest = max(each.number for each in open_now)
        if newest - round_.number > round_.staleness:
            return f"round {round_.number} is closed: the newest is {newest}"
        return ""

    def _account(self) -> Account:
        account = self.horizon.account(self.keypair.public_key)
        if account is None:
            raise NotFunded(account=self.keypair.public_key)
        return account

    def _enrolled(self) -> Account:
        """The account, once it may hold DLC. Opening the trustline twice changes nothing."""
        account = self._account()
        if self.config.market.operator is None:
            return account
        dlc = Asset("DLC", self.config.market.operator)
        line = account.lines.get(dlc)
        if line is None:
            from stellar_sdk import ChangeTrust

            from agent.ledger.envelope import sdk_asset

            head = self.horizon.head()
            made = self._signed(account, [ChangeTrust(sdk_asset(dlc))], head.closed_at, None)
            self.horizon.hand_in(made.envelope)
            raise NotAuthorised()
        if not line.authorized:
            raise NotAuthorised()
        return account

    def _signed(self, account: Account, operations: list[Operation], now: int, job: Job | None) -> Signed:
        from agent.core.cid import Cid

        memo = Cid.parse(job.facts["contribution"]).digest if job else None  # a trustline is about no document
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.horizon.passphrase,
            fee=self.config.ledger.max_fee_stroops,
            max_time=now + VALID_S,
            memo=memo,
        )
        return signed(envelope, self.keypair)

    def _reason(self, memo: bytes | None, stake: str) -> str:
        """Why the committee decided as it did, from the record behind the settlement's memo; '' when it is not to
        be had now. The decision itself is the ledger's, so nothing waits for this."""
        from agent.core.cid import Cid

        try:
            record = self.shelf.record(str(Cid.v0(memo or b"")))
        except (Unavailable, Refused):
            return ""
        return next((e.reason for e in record.entries if e.entry == stake), "")

    def _residual_key(self) -> bytes:
        return keys.derived(self.keypair, "milepost/residual")

    def _residual_file(self, round_: Round) -> Path:
        return self.folder.parent / "residual" / round_.model.replace(":", "-")

    def _residual(self, round_: Round, base: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What earlier updates of this model left out. One that does not fit any more is forgotten."""
        from agent.learn import update

        path = self._residual_file(round_)
        if not path.is_file():
            return None
        try:
            return update.open_residual(path.read_bytes(), self._residual_key(), base)
        except Refused:
            path.unlink()
            return None

    def _keep_residual(self, job: Job) -> None:
        """Only what was entered counts as said. A rename to the same place twice is the same."""
        made, kept = self.home(job) / "residual", self._residual_file(self._round(job))
        if made.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            made.replace(kept)


class NoOffer(TryAgain):
    """There is no training offer that suits this vehicle: {why}"""


class NotFunded(Unavailable):
    """The account {account} is not on the ledger. Send it some XLM; until then nothing can be entered."""


ERRANDS: dict[Step, Callable[[Desk, Job], Events]] = {
    Step.CHOOSE: Desk.choose,
    Step.FETCH: Desk.fetch,
    Step.FINISH: Desk.finish,
    Step.STORE: Desk.store,
    Step.SIGN: Desk.sign,
    Step.SUBMIT: Desk.submit,
    Step.WATCH: Desk.watch,
    Step.CLOSE: Desk.close,
    Step.COLLECT: Desk.collect,
}


def _envelope(job: Job) -> Signed:
    facts = job.facts
    return Signed(facts["envelope"], facts["hash"], facts["sequence"], facts["max_time"])


def _not_entered(outcome: object) -> Events:
    if outcome is None:
        return []
    if isinstance(outcome, Lapsed):
        return [("lapsed", {"why": outcome.why})]
    return [("refused", {"codes": getattr(outcome, "codes", "")})]


def _numbers(candidate: Any, net: int, lost: str) -> dict[str, Any]:
    numbers = asdict(candidate)
    price: Fraction = numbers.pop("stake_price")
    return {**numbers, "stake_price": f"{price.numerator}/{price.denominator}", "net": net, "lost": lost}
