"""Publishing: from a plan and a network to an offer on the book, resumable at every step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from agent.content.importer import root
from agent.core import decay
from agent.core.cid import Cid
from agent.core.fields import MOST_LOSS
from agent.core.ids import AccountId, CidText
from agent.core.jobs import round as rounds
from agent.core.jobs import settlement as accounts
from agent.core.jobs.draw import DrawJob
from agent.core.jobs.fold import Event
from agent.core.jobs.round import RoundJob, RoundState, RoundStep
from agent.core.jobs.settlement import SettlementJob
from agent.core.money import UNIT, Asset, stroops
from agent.core.round import Figure, GlobalSet, Lineage, Round, StakeSchedule
from agent.errors import BAD_CONFIG, Refused, TryAgain
from agent.initiator import drawing, paying, rooting, succession
from agent.initiator.book import round_id
from agent.initiator.plan import Plan
from agent.initiator.submitting import Submitter
from agent.learn import architecture, fitness, fusion, graph, score, weights
from agent.learn.losses import Score
from agent.learn.root import train
from agent.learn.testset import TestSet
from agent.ledger.keys import account_of
from agent.ledger.receipt import offer_ids
from agent.ledger.submission import InLedger
from agent.market import bundle, lying, publish, registry, round_accounts, sealed
from agent.market.listing import signs
from agent.market.publish import Parties, Sign
from agent.ports import ContentStore
from agent.sentences import first_mistake

SETTLEMENT_XLM = 60 * UNIT
"""Reserve and fees of the settlement account, to begin with."""


class Unauthorised(TryAgain):
    """The operator has not let the settlement account {settlement} hold {dlc} yet. Ask for it, then run the same
    command again: nothing has been offered."""


class OldModel(Refused):
    """The model was set up by an older version, under which its initiator issued DLM and VLM itself and could take pay
    away: no vehicle would take part. Publish it anew, with another agent.state_dir and another name in the plan. Rounds
    that were published can still be audited and settled."""

    exit_code = BAD_CONFIG


NOT_YET = GlobalSet(cid=Cid.v0(bytes(32)).text, keys={})
"""Stands in a draft where the test set will be."""


@dataclass(frozen=True, slots=True)
class RoundDraft:
    """What a round is made of."""

    number: int
    weights: bytes
    """weights.safetensors."""
    models: Mapping[str, Path]
    """Files by their names in the bundle: the graph, and a teacher where labels come from one."""
    previous: Round | None = None
    previous_cid: CidText | None = None
    lineage: tuple[Lineage, ...] = ()
    restores: CidText | None = None
    taken: fusion.Taken = fusion.WHOLE
    """How its fused step was taken."""


@dataclass(kw_only=True)
class Publisher(Submitter):
    """Everything an initiator needs to publish."""

    plan: Plan
    store: ContentStore
    shelf: bundle.Shelf
    folder: Path
    test_set: Path
    train: rooting.Train = train
    """How a root update is learnt."""

    # --- the settlement account

    def set_up(self) -> AccountId:
        """The settlement account, made with the model's issuer if it is not there yet: one atomic transaction, signed
        by the initiator and, once and never again, by the two accounts' own keys, which are forgotten afterwards.
        Where the plan names no committee, it is drawn first. Raises OldModel, drawing.TooFew."""
        steps = {
            RoundStep.LAY: self._plan_account,
            RoundStep.SIGN: self._sign_account,
            RoundStep.SUBMIT: self._submit_account,
        }
        if self.plan.drawn is not None:
            drawing.draw(self, self.plan, self.book.draw(0).id)
        made = self.done(lambda: self.book.account, steps)
        if made.issuer is None:
            raise OldModel
        return made.account

    def _plan_account(self, job: SettlementJob) -> None:
        """There is nothing to lay out."""
        self.record(job.id, accounts.Planned() if job.state is RoundState.NONE else accounts.Stored())

    def _sign_account(self, job: SettlementJob) -> None:
        from stellar_sdk import Keypair

        issuer, own, plan = Keypair.random(), Keypair.random(), self.plan
        parties = Parties(plan.name, self.account, account_of(issuer), account_of(own))
        dlc = Asset.parse(plan.stake.asset)
        operations = publish.set_up(parties, dlc, self.committee(0), plan.reward_stroops, SETTLEMENT_XLM)
        made = self.signed(operations, None, issuer, own)  # no document: it only makes accounts
        self.record(job.id, accounts.Signed(made, parties.settlement, parties.issuer))

    def _submit_account(self, job: SettlementJob) -> None:
        def by_state(why: str) -> Event:
            there = self.horizon.account(job.account)
            return rounds.Lapsed(why) if there is None else accounts.Published()

        self.follow(
            job.id,
            job.of(accounts.Signed).envelope,
            lambda found: accounts.Published(found.ledger, _offer_of(found), found.closed_at),
            by_state,
        )

    # --- a round

    def first(self, weights_file: Path, graph_file: Path, teacher_file: Path | None = None) -> RoundJob:
        """Publish round 0 from a network's weights and graph, and a teacher where labels come from one."""
        models = {bundle.GRAPH: graph_file} | ({bundle.TEACHER: teacher_file} if teacher_file else {})
        return self.publish(0, lambda: RoundDraft(0, weights_file.read_bytes(), models))

    def publish(self, number: int, round_draft: Callable[[], RoundDraft]) -> RoundJob:
        """Do what round `number` is owed until it is open. Goes on where an earlier call stopped; an open round stays
        as it is. `round_draft` is asked while the round's bundle is not laid out, and may raise.

        Raises Refused for what vehicles or validators would turn down, before anything is written down or paid for;
        TryAgain while the operator has not let the settlement account hold DLC.
        """
        steps: Mapping[RoundStep, Callable[[RoundJob], None]] = {
            RoundStep.LAY: lambda _: self._lay(round_draft()),
            RoundStep.SIGN: self._sign,
            RoundStep.SUBMIT: self._submit,
            RoundStep.REVEAL: self._reveal,
        }
        job = self.done(lambda: self.book.round(number), steps)
        for earlier in self.book.rounds:
            if earlier.state is RoundState.OPEN and earlier.number < number:
                self.record(earlier.id, rounds.Closed(job.cid))
        return job

    def _lay(self, round_draft: RoundDraft) -> None:
        """Lay the bundle out, whole but for what its publication says. May be done twice: the files are the same or
        newer, and nobody has them."""
        job_id = round_id(round_draft.number)
        # What an exporter noted down of its computer is nobody's business, so files go through the check.
        models = {name: graph.published(graph.check(file)) for name, file in round_draft.models.items()}
        folder = bundle.lay(self._folder(round_draft.number), {bundle.WEIGHTS: round_draft.weights, **models})
        draft = self._draft(round_draft, folder)
        own = rooting.samples(self.plan, folder, self._tests())
        if self.book.job(job_id).state is RoundState.NONE:
            self.record(job_id, rounds.Planned(round_draft.number, round_draft.restores))
        before, model = round_draft.previous, {"settlement": self.set_up(), "model": str(self._dlm())}
        if self.plan.drawn is not None and before is not None:
            brought = registry.contributions(self.shelf, round_draft.previous_cid)
            drawing.draw(self, self.plan, self._draw(round_draft.number).id, brought)
        draft = draft.model_copy(update={**model, "committee": self.heirs(before), **self._drawn(draft.number)})
        self._check_accounts(draft, before.committee if before else draft.committee)
        for warning in lying.look(self.horizon, draft).warnings():
            self.say(f"round {draft.number}: {warning}")
        is_handed_over = before is None or before.committee != draft.committee
        tests = before.global_set if before and not is_handed_over else self._global_set(draft.committee)
        draft = draft.model_copy(update={"global_set": tests})
        learnt = rooting.lay(draft, folder, own, self.on_global(folder / bundle.GRAPH), self.train, self.say)
        draft = draft.model_copy(update={"root": learnt})
        bundle.write(folder / bundle.ROUND, draft.to_bytes())
        figure = None if draft.figure is None else str(draft.figure.value)
        self.record(job_id, rounds.Stored(figure, tuple(part.cid for part in round_draft.lineage)))
        self.say(f"round {round_draft.number}: ready, figure {figure}")

    def _sign(self, job: RoundJob) -> None:
        """Write down, signed, the transaction that sets the offer for the round. The bundle names the last ledger that
        may hold it, so another transaction publishes another bundle."""
        folder, head = self._folder(job.number), self.horizon.head()
        open_after = head.sequence + publish.WITHIN
        document = self.document(job.number).model_copy(update={"ledger": open_after, "published_at": head.closed_at})
        before = self.shelf.round(document.previous).pledge if document.previous else None
        document = document.model_copy(update={"pledge": paying.pledged(self.plan, document, before)})
        bundle.write(folder / bundle.ROUND, document.to_bytes())
        cid = root(folder).text
        sign = Sign(cid, self._standing(), open_after)
        operations = paying.publication(self.horizon, document, sign, head.closed_at)
        made = self.signed(operations, cid, max_ledger=open_after)
        self.record(job.id, rounds.Signed(made, cid, open_after))

    def _submit(self, job: RoundJob) -> None:
        def by_state(why: str) -> Event:
            account = self.horizon.account(self.account)
            sign = signs(account).get(self._dlm().code) if account else None
            if sign is None or sign.cid != job.cid:
                return rounds.Lapsed(why)
            return rounds.Announced(sign.ledger, self._standing())

        self.follow(
            job.id,
            job.of(rounds.Signed).envelope,
            lambda found: rounds.Announced(found.ledger, _offer_of(found), found.closed_at),
            by_state,
        )

    def _reveal(self, job: RoundJob) -> None:
        """Store the bundle once its publication can apply no more. Nobody can have it while nobody knows of the round:
        what leads to it could be entered as one's own work. Stored twice, it has the same CID."""
        if self.horizon.head().sequence < (job.of(rounds.Signed).open_after or 0):
            self.wait()
            return
        number, cid = job.number, job.cid
        folder = self._folder(number)
        if str(root(folder)) != cid:
            raise Refused(what=f"round {number}", why=f"{folder} is not what was published as {cid} any more")
        self.store.put(folder)
        self.record(job.id, rounds.Published())
        self.say(f"round {number}: stored as {cid}")

    def committee(self, number: int) -> tuple[AccountId, ...]:
        """The plan's; or as it was drawn for round `number`, or, before that, those that would do. Raises
        drawing.TooFew."""
        wanted = self.plan.committee
        if not isinstance(wanted, int):
            return wanted
        if (job := self._draw(number)).is_over:
            return job.committee
        members = drawing.registry(self.horizon, self.account, self.plan).members
        return tuple(one.account for one in members[:wanted])

    def _draw(self, number: int) -> DrawJob:
        """By which the committee of a round sits: the newest there is, or one that is due."""
        since = self.book.sits_since(number)
        is_due = 0 < self.plan.redraw <= number - since
        return self.book.draw(number if is_due else since)

    def _drawn(self, number: int) -> dict[str, object]:
        """What of a round its committee's draw says."""
        return {} if self.plan.drawn is None else {"draw": self._draw(number).draw}

    def heirs(self, before: Round | None) -> tuple[AccountId, ...]:
        """Who judges the round after `before`. Raises succession.CommitteeRefused, NotHandedOver, Unavailable."""
        if before is None:
            return self.committee(0)
        committee = self.committee(before.number + 1)
        return succession.heirs(self.horizon, self.shelf, self.plan, committee, before)

    def document(self, number: int) -> Round:
        """The round as it is laid out here, published or not."""
        return Round.parse((self._folder(number) / bundle.ROUND).read_bytes())

    def laid(self, number: int) -> tuple[weights.Weights, Path]:
        """Its weights, and its graph's file."""
        folder = self._folder(number)
        return weights.load((folder / bundle.WEIGHTS).read_bytes()), folder / bundle.GRAPH

    def _folder(self, number: int) -> Path:
        return self.folder / f"round-{number}"

    def measure(self, values: weights.Weights, graph_file: Path) -> tuple[score.Score, Figure]:
        """The global test set's verdict on a network: what training lowers, and the figure for people. Raises
        Refused."""
        tests = self._tests()
        scorer = score.Scorer(graph.check(graph_file), self.plan.task)
        measured = scorer.score(values, tests.images, tests.labels)
        if not measured.loss < MOST_LOSS:
            raise Refused(what="the network", why=f"its loss on the test set is {measured.loss:.3g}")
        return measured, score.figure(measured)

    def on_global(self, graph_file: Path) -> Score:
        """Losses of a network's weights on the global test set."""
        tests = self._tests()
        return score.Scorer(graph.check(graph_file), self.plan.task).on(tests)

    def _draft(self, round_draft: RoundDraft, folder: Path) -> Round:
        """The round as it will be, but for its settlement account and test set; `folder` holds weights and models. What
        a vehicle would pass over is refused here."""
        plan, taken, what = self.plan, round_draft.taken, f"round {round_draft.number}"
        if (bundle.TEACHER in round_draft.models) != (plan.task.labels == "teacher"):
            raise Refused(what=what, why="a teacher belongs to a plan whose task.labels is teacher, and only there")
        try:
            draft = Round(
                model=str(self._dlm()),
                initiator=self.account,
                number=round_draft.number,
                previous=round_draft.previous_cid,
                restores=round_draft.restores,
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
                    newcomer=plan.stake.newcomer,
                ),
                pledge=plan.pledge(until=0),
                settlement=self.account,
                committee=self.heirs(round_draft.previous),
                contributions=plan.contributions,
                review_window=plan.review_window,
                turn=plan.turn,
                collect=plan.collect,
                most=plan.most,
                least=plan.least,
                staleness=plan.staleness,
                length=plan.length,
                tolerance=plan.tolerance,
                gain_reference=Decimal(1),
                fusion=plan.fusion,
                momentum=plan.momentum,
                step=taken.step_said,
                strangers=taken.strangers_said,
                privacy=plan.privacy,
                global_set=NOT_YET,
                lineage=round_draft.lineage,
            )
        except ValidationError as error:
            raise Refused(what=what, why=first_mistake(error)) from None
        previous = round_draft.previous
        if previous and previous.pledge is None:
            raise OldModel
        if previous and previous.model != draft.model:
            raise Refused(what=what, why=f"the plan is for {draft.model}, the model is {previous.model}")
        architecture.outputs(draft)
        fusion.known(draft.fusion)
        fitness.check(draft, folder, sys.maxsize)
        measured, figure = self.measure(weights.load(round_draft.weights), folder / bundle.GRAPH)
        gain = max(Decimal("0.000001"), (Decimal(measured.loss) * plan.gain_share).quantize(Decimal("1e-9")))
        before = round_draft.previous.recipe if round_draft.previous else None
        recipe = decay.started(plan.recipe, figure, before)
        return draft.model_copy(update={"gain_reference": gain, "figure": figure, "recipe": recipe})

    def _tests(self) -> TestSet:
        return TestSet.load(self.test_set.read_bytes(), self.plan.input)

    def _check_accounts(self, draft: Round, signers: tuple[AccountId, ...]) -> None:
        """`signers`: of the settlement account now. Raises Refused, Unauthorised."""
        what = f"round {draft.number}"
        if why := round_accounts.issued(self.horizon.account(draft.issuer), draft):
            raise Refused(what=what, why=f"{why}. A model's reward is fixed as it is set up: put it back into the plan")
        dlc, account = draft.stake_asset, self.horizon.account(draft.settlement)
        line = account.lines.get(dlc) if account else None
        if line is not None and not line.authorized:
            raise Unauthorised(settlement=draft.settlement, dlc=dlc)
        if why := round_accounts.trusted(account, draft.model_copy(update={"pledge": None, "committee": signers})):
            raise Refused(what=what, why=f"{why}: nothing would be staked on it")

    def _global_set(self, committee: tuple[AccountId, ...]) -> GlobalSet:
        """The test set that all validators share, sealed to each."""
        purpose = bundle.test_set_purpose(str(self._dlm()))
        ciphertext, keys = sealed.seal(self.test_set.read_bytes(), purpose, committee)
        cid = self.store.put(bundle.lay(self.folder / "test-set", {bundle.TEST_SET: ciphertext}))
        return GlobalSet(cid=cid.text, keys=keys)

    def _dlm(self) -> Asset:
        """The model's; before it is set up, as if its initiator issued it."""
        account = self.book.account
        issuer = account.issuer if account.newest(accounts.Signed) else None
        return Asset(f"DLM{self.plan.name}", issuer or self.account)

    def _standing(self) -> int:
        """The sign that stands for the model's rounds, or 0."""
        dlm = self._dlm()
        standing = [o for o in self.horizon.offers(self.account) if o.buying == dlm and o.selling.is_native]
        return standing[0].id if standing else 0


def _offer_of(found: InLedger) -> int:
    """The id of the offer that a transaction made or changed; 0: none."""
    return next(iter(offer_ids(found.result).values()), 0)
