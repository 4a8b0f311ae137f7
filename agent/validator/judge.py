"""One entry judged: turned down for what can be seen, else measured as it would be fused (PROTOCOL section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.core.documents import Contribution, Round
from agent.core.ledger import Account
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.core.verdict import Losses, Verdict, judge
from agent.errors import Malformed, Refused
from agent.learn import checkpoint, graph, update, weights
from agent.learn.runner import Machine
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.ledger.horizon import Horizon
from agent.market import bundle, strikes
from agent.validator.entries import Entry
from agent.validator.rounds import Served

if TYPE_CHECKING:
    from stellar_sdk import Keypair

Flat = NDArray[np.float32]

NORM_BOUND = 10.0
"""An update may be at most so many times as long as the base's weights."""
COPY_COSINE = 0.999
"""Two updates closer than this were not trained on two drives."""
GRACE_LEDGERS = 60
"""A strike settled less than this before the entry is not held against it: it may have been on its way."""
LARGEST_FIGURE = 1e8


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    figure: float | None
    """Loss of the candidate on the global set; None when the entry was turned down before it was measured."""


@dataclass
class Bench:
    """A round made ready to measure against: loaded once, used for every entry."""

    round: Round
    base: Mapping[str, Flat]
    scorer: Scorer
    on_global: TestSet
    on_private: TestSet
    losses: tuple[float, float]


class Judge:
    """Holds no state that cannot be had again from ledger and content store, but for the earlier updates' vectors,
    which it keeps as files to find copies."""

    def __init__(
        self, horizon: Horizon, shelf: bundle.Shelf, keypair: Keypair, private_set: Path, folder: Path, machine: Machine
    ) -> None:
        self._horizon, self._shelf, self._keypair = horizon, shelf, keypair
        self._private_set, self._folder, self._machine = private_set, folder, machine
        self._benches: dict[str, Bench] = {}

    def judge(self, entry: Entry, served: Mapping[str, Served]) -> Judgement:
        """Raises Unavailable (wait); everything that is wrong with the entry itself is a verdict."""
        try:
            contribution, at = self._admitted(entry, served)
            return self._measured(entry, contribution, at, _joins(entry, at, served))
        except Refused as error:
            return Judgement(Verdict("rejected", 0, str(error)[:200]), None)

    def base_of(self, entry: Entry) -> str | None:
        """The round that an entry says it was trained on, or None when it says nothing readable."""
        try:
            return self._shelf.contribution(entry.contribution).base if entry.contribution else None
        except Refused:
            return None

    def _admitted(self, entry: Entry, served: Mapping[str, Served]) -> tuple[Contribution, Served]:
        """Everything that can be checked without measuring. Raises Refused."""
        if entry.fault:
            raise Malformed(what="the entry", why=entry.fault)
        contribution = self._shelf.contribution(entry.contribution)
        if contribution.vehicle != entry.vehicle:
            raise Malformed(what="the contribution", why="it names another vehicle than the one that staked")
        at = served.get(contribution.base)
        if at is None or at.is_stale:
            raise Malformed(what="the contribution", why="its base is no round that is open for review")
        if contribution.model != at.round.model or contribution.encoding != at.round.recipe.encoding:
            raise Malformed(what="the contribution", why="its model or its encoding is not the round's")
        if contribution.samples < at.round.recipe.minimum_samples:
            raise Malformed(what="the contribution", why=f"{contribution.samples} samples are too few")
        self._staked(entry, at.round)
        return contribution, at

    def _staked(self, entry: Entry, round_: Round) -> None:
        if entry.stake.asset != Asset.parse(round_.stake.asset):
            raise Malformed(what="the stake", why=f"it is in {entry.stake.asset}, not {round_.stake.asset}")
        due = strikes.due(self._horizon, round_, entry.vehicle, entry.ledger, GRACE_LEDGERS)
        if entry.stake.amount < due:
            raise Malformed(what="the stake", why=f"{text(entry.stake.amount)} DLC, due are {text(due)}")
        if entry.take_back_at is None or entry.take_back_at < entry.entered_at + round_.review_window // 2:
            raise Malformed(what="the stake", why="it could be taken back before the review window is over")
        if not payable(self._horizon.account(entry.vehicle), round_, entry.stake.amount):
            raise Malformed(what="the entry", why="the vehicle has no trustline with room for its pay")

    def _measured(self, entry: Entry, contribution: Contribution, at: Served, joins: Served) -> Judgement:
        """`at`: the round that it was trained on. `joins`: the one that it would be fused with."""
        bench = self._bench(joins)
        data = self._shelf.update(entry.contribution, self._keypair)
        delta = update.decode(data, bench.base, contribution.encoding)
        flat = weights.flat(delta)
        length, bound = float(np.linalg.norm(flat)), NORM_BOUND * float(np.linalg.norm(weights.flat(bench.base)))
        if not length <= bound:
            raise Malformed(what="the update", why=f"its length is {length:.3g}, at most {bound:.3g} is plausible")
        self._not_a_copy(entry, contribution.base, flat)
        if joins.cid != at.cid:
            self._not_the_step(flat, at, bench.base)
        k = np.float32(joins.round.contributions)
        candidate = {name: bench.base[name] + delta[name] / k for name in bench.base}
        on_global = Losses(bench.losses[0], _loss(bench.scorer, candidate, bench.on_global))
        on_private = Losses(bench.losses[1], _loss(bench.scorer, candidate, bench.on_private))
        verdict = judge(
            on_global,
            on_private,
            tolerance=float(joins.round.tolerance),
            gain_reference=float(joins.round.gain_reference),
            steps=contribution.steps,
            planned=at.round.recipe.steps,
        )
        return Judgement(verdict, on_global.candidate)

    def _bench(self, at: Served) -> Bench:
        if at.cid not in self._benches:
            folder = self._shelf.get(at.cid, bundle.ROUND_LIMITS)
            base = checkpoint.read_weights(folder / bundle.WEIGHTS)
            scorer = Scorer(graph.check(folder / bundle.GRAPH), at.round.task, self._machine)
            on_global = TestSet.load(self._shelf.test_set(at.round, self._keypair), at.round.input)
            on_private = TestSet.load(self._private_set.read_bytes(), at.round.input)
            losses = (_loss(scorer, base, on_global), _loss(scorer, base, on_private))
            self._benches = {at.cid: Bench(at.round, base, scorer, on_global, on_private, losses)}
        return self._benches[at.cid]

    def _not_a_copy(self, entry: Entry, base: str, flat: Flat) -> None:
        """Against every earlier entry on the same base; the one that entered first is the original."""
        folder = self._folder / base
        folder.mkdir(parents=True, exist_ok=True)
        mine = flat / max(float(np.linalg.norm(flat)), 1e-12)
        for path in sorted(folder.glob("*.npy")):
            ledger, _, other = path.stem.partition("-")
            if other == entry.stake.id or (int(ledger), other) > (entry.ledger, entry.stake.id):
                continue
            cosine = float(np.load(path, allow_pickle=False).astype(np.float32) @ mine)
            if cosine > COPY_COSINE:
                raise Refused(what="the update", why=f"it copies the entry {other[:12]} (cosine {cosine:.4f})")
        np.save(folder / f"{entry.ledger}-{entry.stake.id}.npy", mine.astype(np.float16), allow_pickle=False)

    def _not_the_step(self, flat: Flat, at: Served, joined: weights.Weights) -> None:
        """Rounds are public: what led from this base to the round since then is others' work."""
        base = checkpoint.read_weights(self._shelf.get(at.cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS)
        weights.same_shape(base, joined, "the round's weights")
        cosine = _cosine(flat, weights.flat({name: joined[name] - base[name] for name in base}))
        if cosine > COPY_COSINE:
            raise Refused(what="the update", why=f"it is the step to a round published since (cosine {cosine:.4f})")


def _joins(entry: Entry, at: Served, served: Mapping[str, Served]) -> Served:
    """The newest round that was published before the entry. All validators find the same one, whenever they look."""
    published = [s for s in served.values() if s.round.model == at.round.model and s.ledger < entry.ledger]
    return max([at, *published], key=lambda s: s.round.number)


def _cosine(one: Flat, other: Flat) -> float:
    return float(one @ other) / max(float(np.linalg.norm(one)) * float(np.linalg.norm(other)), 1e-12)


def _loss(scorer: Scorer, values: weights.Weights, on: TestSet) -> float:
    return scorer.score(values, on.images, on.labels).loss


def payable(vehicle: Account | None, round_: Round, stake: Stroops) -> bool:
    """Whether the vehicle can be given its stake back and a full credit: one payment that fails fails the whole
    settlement, everybody's."""
    wanted = {Asset.parse(round_.stake.asset): stake, round_.credit_asset: UNIT, XLM: 0}
    lines = {} if vehicle is None else vehicle.lines
    return all(a in lines and lines[a].authorized and lines[a].room >= amount for a, amount in wanted.items())


def brief(judgement: Judgement) -> dict[str, Any]:
    """For the journal."""
    verdict = judgement.verdict
    measured = judgement.figure
    # A vote holds 24 digits. A loss that is too large for them is turned down like any other that rises.
    figure = None if measured is None or not measured < LARGEST_FIGURE else f"{measured:.15f}"
    return {"outcome": verdict.outcome, "credit": verdict.credit, "reason": verdict.reason, "figure": figure}
