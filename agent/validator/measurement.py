"""What is on a roll, measured as it would be fused (PROTOCOL section 6).

Three things can come of it, and they come apart by where they happen. What is wrong with the contribution's own bytes
is a verdict: only reading them stands behind the guard that makes one. What the ledger or the store does not give now
is waited for (`Unavailable`). What this machine cannot do (its private set is of another form, its onnxruntime does not
read the graph, its disk fails) is `CannotJudge`: nothing is said about the entry, the others settle it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from agent.core.documents import Contribution, Enrolled, Outcome
from agent.core.fields import MOST_LOSS, MOST_STALENESS
from agent.core.ids import CidText, StakeId
from agent.core.jobs.review import Judged
from agent.core.money import UNIT
from agent.core.roll import Anchored
from agent.core.verdict import Verdict
from agent.errors import Malformed, MilepostError, Refused, Unavailable
from agent.files import DiskFails
from agent.learn import checkpoint, fusion, graph, judging, root, triggers, update, weights
from agent.learn.device import Device
from agent.learn.kinds import Kind
from agent.learn.losses import Score
from agent.learn.runner import Samples
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.market import bundle, sealed
from agent.ports import BundleLimits
from agent.validator.admission import newest_before
from agent.validator.rounds import Served
from agent.validator.vectors import COPY_COSINE, EntryPlace, Flat, Vectors, cosine

if TYPE_CHECKING:
    from stellar_sdk import Keypair

T = TypeVar("T")

LOOKED_AT = 150
"""Samples of G that are looked at for marks."""
TRY_S = 120.0
"""For one try at a contribution's bundle."""


class CannotJudge(MilepostError):
    """This validator cannot judge {what}: {why} It says nothing about such entries; the others settle them, or their
    stakes go back. It tries again by itself."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    figure: float | None
    """Loss on the global set with the roll fused; None when the entry was turned down before it was measured."""
    fused: bool = False
    """Whether its update has a voice in that."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A round made ready to measure against: loaded once, used for every roll."""

    on_global: Score
    on_private: Score
    answer: triggers.Answer
    looked_at: Samples
    """Of G, for marks."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class Update:
    """What an entry's contribution says."""

    delta: Mapping[str, Flat]
    steps: int
    planned: int


class Measurement:
    """Holds no state that cannot be had again, but for the earlier updates' directions."""

    def __init__(
        self, shelf: bundle.Shelf, keypair: Keypair, private_set: Path, vectors: Vectors, machine: Device
    ) -> None:
        self._shelf, self._keypair = shelf, keypair
        self._private_set, self._vectors, self._machine = private_set, vectors, machine
        self._bases: dict[CidText, Mapping[str, Flat]] = {}
        self._benches: dict[tuple[str, float], Bench] = {}
        self._roots: dict[CidText, weights.Weights | str] = {}
        """Or why it is not used."""
        self._fetched_again: set[CidText] = set()
        self._plain: set[CidText] = set()

    def limits(self, rounds: Iterable[Served]) -> BundleLimits:
        """What a contribution to one of these rounds can need. Raises CannotJudge, Unavailable."""
        most = max(update.most_bytes(s.round.recipe.encoding, self._base(s)) for s in rounds)
        return BundleLimits(Contribution.max_bytes + sealed.OVERHEAD + most, files=2, depth=1, seconds=TRY_S)

    def contribution(self, cid: CidText) -> Contribution | Refused:
        """What a bundle that is on the shelf says; a refusal is about its bytes. Raises CannotJudge, Unavailable."""
        return self._of_its_bytes(cid, lambda: self._read(cid))

    def measured(self, roll: Anchored, at: Served, known: Sequence[Served]) -> Mapping[StakeId, Judgement]:
        """Entry → what it deserves, for all on a roll of entries that were trained on round `at`, judged together.
        `known`: the rounds known now. Raises CannotJudge, Unavailable: then nothing was found out.

        What is judged together follows from the roll's bytes alone, or members would measure different figures. What
        else a member knows of an entry (that it copies one of another roll) counts for that entry."""
        updates, found = dict[StakeId, Update](), dict[StakeId, Judgement]()
        for one in roll.roll.entries:
            read = self._update(one, at)
            if isinstance(read, Verdict):
                found[one.entry] = Judgement(read, None)
            else:
                updates[one.entry] = read
        joins = newest_before(roll.roll.entries[0], known, at)
        later = [one.entry for one in roll.roll.entries]
        for one in roll.roll.entries:
            later = later[1:]
            if one.entry in updates:
                flat = weights.flat(updates[one.entry].delta)
                others = [served for served in known if _follows(served, at, one)]
                known_of = self._copied(one, joins, at, known, flat, later)
                known_of = known_of or self._others_step(one, flat, self._base(at), others)
                if known_of is not None:
                    found[one.entry] = Judgement(known_of, None)
        return {**self._judged(roll, joins, updates), **found}

    def _update(self, one: Enrolled, at: Served) -> Update | Verdict:
        """Or what is wrong with its bytes."""
        contribution = self.contribution(one.contribution)
        if isinstance(contribution, Refused):
            return Verdict("rejected", 0, str(contribution)[:200])
        if contribution.base != at.cid:
            return Verdict("idle", 0, "it was trained on another round than its roll")
        base = self._base(at)
        delta = self._of_its_bytes(one.contribution, lambda: self._delta(contribution, one.contribution, at, base))
        if isinstance(delta, Refused):
            return Verdict("rejected", 0, str(delta)[:200])
        why = update.too_long(delta, base)
        return Verdict("rejected", 0, why) if why else Update(delta, contribution.steps, at.round.recipe.steps)

    def root(self, at: Served) -> weights.Weights | None:
        """The round's root update, looked at once. None where it has none, or one that is not to be used (`troubles`
        says why): then no stake hangs on it. Raises CannotJudge, Unavailable."""
        if at.round.root is None:
            return None
        if at.cid not in self._roots:
            self._roots = {**dict(list(self._roots.items())[-3:]), at.cid: self._root(at)}
        found = self._roots[at.cid]
        return None if isinstance(found, str) else found

    @property
    def troubles(self) -> list[str]:
        return [found for found in self._roots.values() if isinstance(found, str)]

    # --- the contribution's own bytes

    def _of_its_bytes(self, cid: CidText, read: Callable[[], T]) -> T | Refused:
        """What reading a contribution comes to. A refusal counts only while the disk still holds what was fetched."""
        try:
            return read()
        except Refused as error:
            if cid in self._fetched_again or _own(cid, lambda: self._shelf.is_sound(cid)):
                return error
        except OSError as error:
            raise CannotJudge(what=cid, why=f"{error.strerror or error} (its bundle on this disk).") from error
        self._fetched_again.add(cid)
        self._shelf.drop(cid)
        raise Unavailable(what=f"The contribution {cid}, which is not on this disk as it was fetched,")

    def _read(self, cid: CidText) -> Contribution:
        """One that is cut into other blocks than ours could not be kept for its initiator by who votes for it."""
        contribution = self._shelf.contribution(cid)
        if cid not in self._plain and not self._shelf.is_plain(cid):
            raise Malformed(what=f"the bundle {cid}", why="it is not cut into blocks of 256 KiB as others would cut it")
        self._plain.add(cid)
        return contribution

    def _delta(self, contribution: Contribution, cid: CidText, at: Served, base: weights.Weights) -> Mapping[str, Flat]:
        return update.decode(self._shelf.update(cid, self._keypair, at.round.initiator), base, contribution.encoding)

    # --- what it is like

    def _copied(
        self,
        entry: Enrolled,
        joins: Served,
        at: Served,
        known: Iterable[Served],
        flat: Flat,
        later: Collection[StakeId],
    ) -> Verdict | None:
        """The one that was judged first is the original, whichever round it was entered on. Who came first and is
        judged late is not to blame for it."""
        place = EntryPlace(entry.ledger, entry.entry)
        oldest = joins.round.number - MOST_STALENESS
        bases = {s.cid for s in known if s.round.model == at.round.model and s.round.number >= oldest} | {at.cid}
        like = _on_disk(entry.entry, lambda: self._vectors.likeness(bases, place, flat, later))
        if like is None:
            _on_disk(entry.entry, lambda: self._vectors.keep(at.cid, place, flat))
            return None
        what = f"{like.place.entry[:12]} (cosine {like.cosine:.4f})"
        if like.place < place:
            return Verdict("rejected", 0, f"it copies the entry {what}")
        return Verdict("idle", 0, f"its bundle came to light late, and it is like the later entry {what}")

    def _others_step(
        self, entry: Enrolled, flat: Flat, base: weights.Weights, others: Iterable[Served]
    ) -> Verdict | None:
        """Rounds are public: what led from this base to a round since then is others' work. Where that was published
        after the entry, its initiator may have taken it from this very contribution: idle."""
        for served in others:
            after = self._base(served)
            if _is_other(after, base):
                continue
            near = cosine(flat, weights.flat({name: after[name] - base[name] for name in base}))
            if near > COPY_COSINE:
                outcome: Outcome = "rejected" if served.ledger < entry.ledger else "idle"
                return Verdict(outcome, 0, f"it is the step to a round published since (cosine {near:.4f})")
        return None

    # --- what it is worth

    def _judged(self, roll: Anchored, joins: Served, updates: Mapping[StakeId, Update]) -> dict[StakeId, Judgement]:
        """By the round that they would be fused with."""
        base, round_, what = self._base(joins), joins.round, f"entries on round {joins.round.number}"
        if any(_is_other(one.delta, base) for one in updates.values()):  # all were trained on one round
            why = "a round of another network was published before it was entered"
            return dict.fromkeys(updates, Judgement(Verdict("idle", 0, why), None))
        bench, places = self._bench(joins), {one.entry: one.ledger for one in roll.roll.entries}
        rules = judging.Rules(
            tolerance=float(round_.tolerance),
            gain_reference=float(round_.gain_reference),
            pledge=round_.contributions * UNIT,
            voice=UNIT,
            fusion=round_.fusion,
            momentum=fusion.Momentum.of(round_, lambda before: self._weights(before, round_.number - 1)),
        )
        root_update, last_step = self.root(joins), self._last_step(joins)
        seed = hashlib.sha256(roll.cid.encode()).digest()
        judged = _own(
            what,
            lambda: judging.judge_roll(
                base,
                [judging.RollEntry(places[entry], entry, one.delta) for entry, one in updates.items()],
                bench.on_global,
                seed=seed,
                rules=rules,
                root=root_update,
                last_step=last_step,
                private=bench.on_private,
                watch=_watch(base, bench, seed) if bench.kind.can_be_pulled else None,
            ),
        )
        return {one.entry: _judgement(one, judged.after, updates[one.entry]) for one in judged.entries}

    def _last_step(self, at: Served) -> weights.Weights | None:
        """The public step that led to a round. None for the first, and where it led from another network."""
        if at.round.previous is None:
            return None
        base, before = self._base(at), self._weights(at.round.previous, at.round.number - 1)
        return None if _is_other(before, base) else {name: base[name] - before[name] for name in base}

    def _base(self, served: Served) -> Mapping[str, Flat]:
        return self._weights(served.cid, served.round.number)

    def _weights(self, cid: CidText, number: int) -> Mapping[str, Flat]:
        if cid not in self._bases:
            folder = self._shelf.get(cid, bundle.ROUND_LIMITS)
            found = _own(f"round {number}", lambda: checkpoint.read_weights(folder / bundle.WEIGHTS))
            self._bases = {**dict(list(self._bases.items())[-3:]), cid: found}
        return self._bases[cid]

    def _root(self, at: Served) -> weights.Weights | str:
        base, bench, what = self._base(at), self._bench(at), f"round {at.round.number} of {at.round.model}"
        most = root.most_bytes(base)

        def read() -> weights.Weights:
            return root.decode(self._shelf.root(at.cid, self._keypair, most), base, what)

        found = self._of_its_bytes(at.cid, read)
        if isinstance(found, Refused):
            return str(found)

        def checked() -> weights.Weights | str:
            try:
                root.check(found, base, bench.on_global, what)
            except root.NoRoot as error:
                return str(error)
            return found

        return _own(what, checked)

    def _bench(self, at: Served) -> Bench:
        """A private set that was replaced is read anew."""
        what = f"entries on round {at.round.number}"
        key = (at.cid, _own(what, lambda: self._private_set.stat().st_mtime))
        if key not in self._benches:
            folder = self._shelf.get(at.cid, bundle.ROUND_LIMITS)
            self._shelf.get(at.round.global_set.cid, bundle.SET_LIMITS)
            self._benches = {key: _own(what, lambda: self._prepared(at, folder))}
        return self._benches[key]

    def _prepared(self, at: Served, folder: Path) -> Bench:
        scorer = Scorer(graph.check(folder / bundle.GRAPH), at.round.task, self._machine)
        on_global = TestSet.load(self._shelf.test_set(at.round, self._keypair), at.round.input)
        try:
            on_private = TestSet.load(self._private_set.read_bytes(), at.round.input)
        except Malformed as error:
            raise Malformed(what=f"validator.private_set ({self._private_set})", why=error.facts.get("why")) from None
        looked_at = on_global.images[:: -(-len(on_global) // LOOKED_AT)]
        return Bench(scorer.on(on_global), scorer.on(on_private), scorer.outputs, looked_at, scorer.kind)


def _follows(served: Served, at: Served, entry: Enrolled) -> bool:
    """Whether a round came after the one an entry was trained on, and was not made of that entry."""
    newer = served.round.model == at.round.model and served.round.number > at.round.number
    return newer and all(part.cid != entry.contribution for part in served.round.lineage)


def _own(what: str, work: Callable[[], T]) -> T:
    """Work that only this machine or its round can be to blame for. Raises CannotJudge; what the store does not give
    now passes as Unavailable."""
    try:
        return work()
    except MilepostError as error:
        if isinstance(error, Unavailable) and not isinstance(error, DiskFails):
            raise
        raise CannotJudge(what=what, why=str(error)) from error
    except (OSError, MemoryError, ValueError, ArithmeticError) as error:
        raise CannotJudge(what=what, why=f"{type(error).__name__}: {str(error)[:120]}.") from error


def _on_disk(what: str, work: Callable[[], T]) -> T:
    """Work that asks nobody but this machine's own disk. Raises CannotJudge."""
    try:
        return _own(what, work)
    except Unavailable as error:
        raise CannotJudge(what=what, why=str(error)) from error


def _watch(base: weights.Weights, bench: Bench, seed: bytes) -> judging.Watch:
    """Looks on G, with marks that follow from the roll: who looked on a set or for marks of its own would hear others
    than the rest, and measure another figure."""
    marks = triggers.families((*bench.looked_at.shape[1:],), int.from_bytes(seed[:8], "big"))

    def watch(candidate: weights.Weights, updates: Sequence[weights.Weights]) -> list[str]:
        return triggers.poisoned(bench.answer, base, candidate, updates, bench.looked_at, marks)

    return watch


def _is_other(values: weights.Weights, base: weights.Weights) -> bool:
    """Whether they are of another network."""
    return base.keys() != values.keys() or any(base[name].shape != values[name].shape for name in base)


def _judgement(one: judging.JudgedEntry, figure: float, of: Update) -> Judgement:
    """Who stopped early is paid for the part of the steps that was done."""
    credit = one.credit * min(of.steps, of.planned) // of.planned
    outcome: Outcome = "idle" if one.outcome == "accepted" and not credit else one.outcome
    return Judgement(Verdict(outcome, credit, one.reason[:200]), figure, one.fused and outcome != "rejected")


def brief(judgement: Judgement, round_cid: CidText, roll: CidText | None = None) -> Judged:
    """For the journal."""
    verdict = judgement.verdict
    measured = judgement.figure
    # A vote holds 24 digits. A loss that is too large for them is turned down like any other that rises.
    figure = None if measured is None or not measured < MOST_LOSS else f"{measured:.15f}"
    fused: Literal[True] | None = True if judgement.fused else None
    return Judged(round_cid, verdict.outcome, verdict.credit, verdict.reason, figure, roll, fused)
