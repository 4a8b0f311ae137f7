"""Publishing: from a plan and a network to an offer on the book, resumable at every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.documents import Figure, GlobalSet, Lineage, Round, StakeSchedule
from agent.core.money import UNIT, Asset, stroops
from agent.core.round import RoundJob, State
from agent.errors import Refused, Unavailable
from agent.initiator.plan import Plan
from agent.initiator.register import SETTLEMENT, Register
from agent.learn import graph, score, weights
from agent.learn.testset import TestSet
from agent.ledger.envelope import Signed, build, signed
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids
from agent.ledger.submission import Entered, Lapsed, look
from agent.market import bundle, publish, sealed
from agent.ports import ContentStore

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation

VALID_S = 120
POLL_S = 1.0
SETTLEMENT_XLM = 50 * UNIT
"""Reserve and fees of the settlement account, to begin with."""


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
        if (teacher_file is not None) != (self.plan.task.labels == "teacher"):
            raise Refused(
                what="round 0", why="a teacher belongs to a plan whose task.labels is teacher, and only there"
            )
        models = {bundle.GRAPH: graph_file} | ({bundle.TEACHER: teacher_file} if teacher_file else {})
        return self.publish(0, weights_file.read_bytes(), models, previous=None, lineage=())

    def publish(
        self,
        number: int,
        values: bytes,
        models: Mapping[str, Path],
        previous: Round | None,
        lineage: tuple[Lineage, ...],
        previous_cid: str | None = None,
    ) -> RoundJob:
        """Store a round's bundle and set the offer that stands for it. Goes on where an earlier call stopped."""
        name = f"round-{number}"
        if self.register.job(name).state is State.NONE:
            self._record(name, "planned", {"number": number})
        if self.register.job(name).state is State.PLANNED:
            document = self._document(number, values, models[bundle.GRAPH], previous, lineage, previous_cid)
            files: dict[str, bytes | Path] = {
                bundle.ROUND: document.to_bytes(),
                bundle.WEIGHTS: values,
                **models,
            }
            cid = str(self.store.put(bundle.lay(self.folder / name, files)))
            figure = None if document.figure is None else str(document.figure.value)
            self._record(name, "stored", {"cid": cid, "figure": figure, "fused": [part.cid for part in lineage]})
            self.say(f"round {number}: stored as {cid}, figure {figure}")
        while (job := self.register.job(name)).state in (State.STORED, State.SIGNED):
            if job.state is State.STORED:
                made = self._signed(self._offer(), job.facts["cid"])
                self._record(name, "signed", asdict(made))
            else:
                self._follow(name)
        return job

    def measure(self, values: weights.Weights, graph_file: Path) -> tuple[score.Score, Figure]:
        """The global test set's verdict on a network: what training lowers, and the figure for people."""
        tests = TestSet.load(self.test_set.read_bytes(), self.plan.input)
        scorer = score.Scorer(graph.check(graph_file), self.plan.task)
        measured = scorer.score(values, tests.images, tests.labels)
        return measured, score.figure(self.plan.task, measured)

    def _document(
        self,
        number: int,
        values: bytes,
        graph_file: Path,
        previous: Round | None,
        lineage: tuple[Lineage, ...],
        previous_cid: str | None,
    ) -> Round:
        plan, settlement = self.plan, self.register.settlement
        if settlement is None:
            raise Refused(
                what=f"round {number}", why="there is no settlement account yet: run `milepost initiator publish`"
            )
        measured, figure = self.measure(weights.load(values), graph_file)
        gain = max(Decimal("0.000001"), (Decimal(measured.loss) * plan.gain_share).quantize(Decimal("1e-9")))
        return Round(
            model=str(plan.dlm(self.account)),
            number=number,
            previous=previous_cid,
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
            settlement=settlement,
            committee=plan.committee,
            contributions=plan.contributions,
            review_window=plan.review_window,
            turn=plan.turn,
            staleness=plan.staleness,
            length=plan.length,
            tolerance=plan.tolerance,
            gain_reference=gain,
            fusion=plan.fusion,
            privacy=plan.privacy,
            global_set=previous.global_set if previous else self._global_set(),
            lineage=lineage,
            figure=figure,
        )

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
        return publish.offer(dlm, self.plan.budget_stroops, self.plan.reward_stroops, standing[0].id if standing else 0)

    # --- beneath

    def _signed(self, operations: list[Operation], cid: str | None, *also: Keypair) -> Signed:
        from agent.core.cid import Cid

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
        elif outcome is not None:
            self._record(job_id, "refused", {"codes": outcome.codes})
            raise Refused(what=f"the transaction of {job_id}", why=outcome.codes)
        else:
            time.sleep(POLL_S)

    def _record(self, job_id: str, kind: str, facts: dict[str, Any]) -> None:
        self.register.record(job_id, kind, facts, time.time())
