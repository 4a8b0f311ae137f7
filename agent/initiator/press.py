"""Publishing: from a plan and a network to an offer on the book, resumable at every step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.core.cid import Cid
from agent.core.documents import Figure, GlobalSet, Lineage, Round, StakeSchedule
from agent.core.money import UNIT, Asset, stroops
from agent.core.round import RoundJob, State
from agent.errors import Refused, Unavailable
from agent.initiator.plan import Plan
from agent.initiator.register import SETTLEMENT, Register
from agent.learn import architecture, fitness, fusion, graph, score, weights
from agent.learn.testset import TestSet
from agent.ledger.envelope import Signed, build, signed
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids
from agent.ledger.submission import Entered, Lapsed, Spent, look
from agent.market import bundle, publish, sealed
from agent.ports import ContentStore

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation

VALID_S = 120
POLL_S = 1.0
SETTLEMENT_XLM = 50 * UNIT
"""Reserve and fees of the settlement account, to begin with."""
LARGEST_LOSS = 1e8
NOT_YET = GlobalSet(cid=str(Cid.v0(bytes(32))), keys={})
"""Stands in a draft where the test set will be."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What a round is made of."""

    number: int
    weights: bytes
    """weights.safetensors."""
    models: Mapping[str, Path]
    """Files by their names in the bundle: the graph, and a teacher where labels come from one."""
    previous: Round | None = None
    previous_cid: str | None = None
    lineage: tuple[Lineage, ...] = ()
    restores: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """For the journal."""
        return {"number": self.number} | ({"restores": self.restores} if self.restores else {})


@dataclass
class Press:
    """Everything an initiator needs to publish. `say` is told what happens, for people."""

    plan: Plan
    horizon: Horizon
    store: ContentStore
    shelf: bundle.Shelf
    keypair: Keypair
    register: Register
    folder: Path
    test_set: Path
    fee: int
    say: Callable[[str], None]

    @property
    def account(self) -> str:
        return self.keypair.public_key

    # --- the settlement account

    def set_up(self) -> str:
        """The settlement account, made if it is not there yet: one atomic transaction, signed by the initiator and,
        once and never again, by the account's own key, which is forgotten afterwards."""
        from stellar_sdk import Keypair

        job = self.register.job(SETTLEMENT)
        if job.state is State.NONE:
            self._record(SETTLEMENT, "planned", {})
            self._record(SETTLEMENT, "stored", {})
        while (job := self.register.job(SETTLEMENT)).state is not State.OPEN:
            if job.state is State.STORED:
                own, plan = Keypair.random(), self.plan
                dlc, dlm, vlm = Asset.parse(plan.stake.asset), plan.dlm(self.account), plan.vlm(self.account)
                operations = [
                    *publish.settlement_account(self.account, own.public_key, SETTLEMENT_XLM),
                    *publish.settlement_setup(self.account, own.public_key, dlc, dlm, vlm, plan.committee),
                ]
                made = self._signed(operations, None, own)  # no document: it only makes an account
                self._record(SETTLEMENT, "signed", {**asdict(made), "settlement": own.public_key})
            else:
                self._follow(SETTLEMENT)
        return str(job.facts["settlement"])

    # --- a round

    def first(self, weights_file: Path, graph_file: Path, teacher_file: Path | None = None) -> RoundJob:
        """Publish round 0 from a network's weights and graph, and a teacher where labels come from one."""
        models = {bundle.GRAPH: graph_file} | ({bundle.TEACHER: teacher_file} if teacher_file else {})
        return self.publish(Edition(0, weights_file.read_bytes(), models))

    def publish(self, edition: Edition) -> RoundJob:
        """Store a round's bundle and set the offer that stands for it. Goes on where an earlier call stopped.

        Raises Refused for what vehicles or validators would turn down, before anything is written down or paid for.
        """
        name = f"round-{edition.number}"
        if self.register.job(name).state in (State.NONE, State.PLANNED):
            folder = bundle.lay(self.folder / name, {bundle.WEIGHTS: edition.weights, **edition.models})
            draft = self._draft(edition, folder)
            if self.register.job(name).state is State.NONE:
                self._record(name, "planned", edition.facts)
            tests = edition.previous.global_set if edition.previous else self._global_set()
            document = draft.model_copy(update={"settlement": self.set_up(), "global_set": tests})
            (folder / bundle.ROUND).write_bytes(document.to_bytes())
            cid, figure = str(self.store.put(folder)), None if draft.figure is None else str(draft.figure.value)
            self._record(name, "stored", {"cid": cid, "figure": figure, "fused": [p.cid for p in edition.lineage]})
            self.say(f"round {edition.number}: stored as {cid}, figure {figure}")
        return self.offer(edition.number)

    def offer(self, number: int) -> RoundJob:
        """Set the offer that stands for a round which is stored, or go on with it, until a ledger holds it."""
        name = f"round-{number}"
        while (job := self.register.job(name)).state in (State.STORED, State.SIGNED):
            if job.state is State.STORED:
                made = self._signed(self._offer(), job.facts["cid"])
                self._record(name, "signed", asdict(made))
            else:
                self._follow(name)
        for earlier in self.register.rounds:
            if earlier.state is State.OPEN and earlier.id != name:
                self._record(earlier.id, "closed", {"next": job.facts["cid"]})
        return job

    def measure(self, values: weights.Weights, graph_file: Path) -> tuple[score.Score, Figure]:
        """The global test set's verdict on a network: what training lowers, and the figure for people. Raises
        Refused."""
        tests = TestSet.load(self.test_set.read_bytes(), self.plan.input)
        scorer = score.Scorer(graph.check(graph_file), self.plan.task)
        measured = scorer.score(values, tests.images, tests.labels)
        if not measured.loss < LARGEST_LOSS:
            raise Refused(what="the network", why=f"its loss on the test set is {measured.loss:.3g}")
        return measured, score.figure(self.plan.task, measured)

    def _draft(self, edition: Edition, folder: Path) -> Round:
        """The round as it will be, but for its settlement account and test set; `folder` holds weights and models. What
        a vehicle would pass over is refused here."""
        plan, what = self.plan, f"round {edition.number}"
        if (bundle.TEACHER in edition.models) != (plan.task.labels == "teacher"):
            raise Refused(what=what, why="a teacher belongs to a plan whose task.labels is teacher, and only there")
        try:
            draft = Round(
                model=str(plan.dlm(self.account)),
                number=edition.number,
                previous=edition.previous_cid,
                restores=edition.restores,
                task=plan.task,
                architecture=plan.architecture,
                input=plan.input,
                recipe=plan.recipe,
                stake=StakeSchedule(
                    asset=plan.stake.asset,
                    base=stroops(plan.stake.base),
                    growth=plan.stake.growth,
                    window_ledgers=plan.stake.window_ledgers,
                    fee=stroops(plan.stake.fee),
                ),
                settlement=self.account,
                committee=plan.committee,
                contributions=plan.contributions,
                review_window=plan.review_window,
                turn=plan.turn,
                staleness=plan.staleness,
                length=plan.length,
                tolerance=plan.tolerance,
                gain_reference=Decimal(1),
                fusion=plan.fusion,
                momentum=plan.momentum,
                privacy=plan.privacy,
                global_set=NOT_YET,
                lineage=edition.lineage,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise Refused(what=what, why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if edition.previous and edition.previous.model != draft.model:
            raise Refused(what=what, why=f"the plan is for {draft.model}, the model is {edition.previous.model}")
        architecture.outputs(draft)
        fusion.known(draft.fusion)
        fitness.check(draft, folder, sys.maxsize)
        measured, figure = self.measure(weights.load(edition.weights), folder / bundle.GRAPH)
        gain = max(Decimal("0.000001"), (Decimal(measured.loss) * plan.gain_share).quantize(Decimal("1e-9")))
        return draft.model_copy(update={"gain_reference": gain, "figure": figure})

    def _global_set(self) -> GlobalSet:
        """The test set that all validators share, sealed to each."""
        purpose = bundle.test_set_purpose(str(self.plan.dlm(self.account)))
        ciphertext, keys = sealed.seal(self.test_set.read_bytes(), purpose, self.plan.committee)
        cid = self.store.put(bundle.lay(self.folder / "test-set", {bundle.TEST_SET: ciphertext}))
        return GlobalSet(cid=str(cid), keys=keys)

    def _offer(self) -> list[Operation]:
        """A new offer, or the standing one with a new memo."""
        dlm = self.plan.dlm(self.account)
        standing = [o for o in self.horizon.offers(self.account) if o.buying == dlm and o.selling.is_native]
        return publish.offer(
            dlm,
            self.plan.budget_stroops,
            self.plan.reward_stroops,
            self.horizon.head().sequence,
            standing[0].id if standing else 0,
        )

    # --- beneath

    def _signed(self, operations: list[Operation], cid: str | None, *also: Keypair) -> Signed:
        account, head = self.horizon.account(self.account), self.horizon.head()
        if account is None:
            raise Unavailable(what=f"the initiator's account {self.account}")
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.horizon.passphrase,
            fee=self.fee,
            max_time=head.closed_at + VALID_S,
            memo=Cid.parse(cid).digest if cid else None,
        )
        return signed(envelope, self.keypair, *also)

    def _follow(self, job_id: str) -> None:
        """Wait until the signed transaction is in a ledger or can never be. Raises Refused when a ledger holds it as
        failed: what it says is then for the initiator to mend."""
        facts = self.register.job(job_id).facts
        outcome = look(self.horizon, Signed(facts["envelope"], facts["hash"], facts["sequence"], facts["max_time"]))
        if isinstance(outcome, Entered):
            ids = list(offer_ids(outcome.result).values())
            self._record(job_id, "published", {"ledger": outcome.ledger, "offer": ids[0] if ids else 0})
            self.say(f"{job_id}: in ledger {outcome.ledger}")
        elif isinstance(outcome, Lapsed):
            self._record(job_id, "lapsed", {"why": outcome.why})
        elif isinstance(outcome, Spent):
            raise Unavailable(what=f"what became of the transaction of {job_id}: {outcome.why}. It")
        elif outcome is not None:
            self._record(job_id, "refused", {"codes": outcome.codes})
            raise Refused(what=f"the transaction of {job_id}", why=outcome.codes)
        else:
            time.sleep(POLL_S)

    def _record(self, job_id: str, kind: str, facts: dict[str, Any]) -> None:
        self.register.record(job_id, kind, facts, time.time())
