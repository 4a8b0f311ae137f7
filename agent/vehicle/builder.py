"""From a round and a trip to a contribution: what the vehicle makes before anything goes over the ledger."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__, files
from agent.content import importer
from agent.core.documents import Contribution
from agent.core.fields import MOST_LOSS
from agent.core.ids import CidText
from agent.core.jobs.contribution import Job, Passed, Shadow, Trained
from agent.core.jobs.fold import Event
from agent.core.round import Round
from agent.errors import MilepostError, Refused
from agent.ledger import keys
from agent.market import bundle, sealed
from agent.ports import LabelledFrame, Trainer, TrainingTask
from agent.sense import album
from agent.vehicle import view
from agent.vehicle.settings import Resources
from agent.vehicle.shadow import ShadowEvaluation

if TYPE_CHECKING:
    from stellar_sdk import Keypair

    from agent.learn.shadow import Comparison
    from agent.learn.weights import Weights

LAID = "contribution.cid"
"""Beside a contribution's folder: the CID that it was laid out with."""
Sink = Callable[[LabelledFrame], None]


@dataclass
class ContributionBuilder:
    resources: Resources
    shelf: bundle.Shelf
    trainer: Trainer
    keypair: Keypair
    folder: Path
    """Jobs' scratch."""
    last_round: Callable[[str], CidText | None] = lambda _: None
    """CID of the round that the last job of a model was for."""
    _shadows: dict[str, ShadowEvaluation] = field(default_factory=dict)
    """By job: what sees, or saw, its trip."""

    def unfit(self, round_: Round, cid: CidText) -> str:
        """Why this machine cannot train a round, or ''."""
        from agent.learn import fitness

        try:
            if round_.task.labels != "folder":
                view.wanted(round_.task, self.resources.views)
            fitness.check(round_, self.shelf.get(cid, bundle.ROUND_LIMITS), self.resources.memory_mb)
            if round_.task.labels == "folder":
                album.pictures(self.resources.labelled, round_.task)
        except Refused as error:
            return str(error)
        return ""

    def task(self, job: Job) -> TrainingTask:
        """What the trainer is told. The same job gives the same task, so training goes on after a restart."""
        base = self.shelf.get(job.choice.round, bundle.ROUND_LIMITS)
        seed = zlib.crc32(f"{self.keypair.public_key}/{job.id}".encode())
        return TrainingTask(self.home(job), base, self.shelf.round(job.choice.round), seed)

    def pictures(self, task: TrainingTask, feed: Sink) -> album.Album:
        """The pictures that the owner has labelled. Raises UnusableAlbum."""
        return album.Album(album.pictures(self.resources.labelled, task.round.task), task.seed, feed)

    def shadow(self, task: TrainingTask) -> ShadowEvaluation:
        """What sees this job's trip beside the trainer. Of an earlier trip one is kept, for it may not be finished
        yet."""
        job = task.folder.name
        mine = self._shadows.pop(job, None) or ShadowEvaluation(task.round)
        self._shadows = dict([*self._shadows.items()][-1:]) | {job: mine}
        return mine

    def taught(self, round_: Round, base: Path, feed: Sink) -> Sink:
        """`feed`, with the labels of the round's teacher in place of what the driver did. Raises OtherTeacher."""
        from agent.learn import graph
        from agent.learn.samples import planes, prepare
        from agent.learn.teacher import NAME, Teacher

        teacher = Teacher(graph.check(base / NAME), round_, self.resources.machine)

        def label(frame: LabelledFrame) -> None:
            (sure,) = teacher.label(planes(prepare(frame.image, round_.input)[None]))
            feed(LabelledFrame(frame.t, frame.image, sure))

        return label

    def finish(self, job: Job) -> list[Event]:
        """The trainer's last checkpoint gives the same result again."""
        from agent.learn import checkpoint, update
        from agent.learn.result import NothingLearnt

        round_ = self.shelf.round(job.choice.round)
        try:
            trained = self.trainer.finish(self.task(job))
        except NothingLearnt as error:
            return [Passed(str(error))]
        base = checkpoint.read_weights(self.shelf.get(job.choice.round, bundle.ROUND_LIMITS) / bundle.WEIGHTS)
        after = checkpoint.read_weights(trained.weights)
        encoded = update.encode(round_.recipe.encoding, base, after, self._residual(round_, base))
        if why := update.too_long(update.decode(encoded.data, base), base):
            return [Passed(f"validators would turn this trip's work down: {why}")]
        home = self.home(job)
        files.make_folder(home)
        files.write_whole(home / "residual", update.seal_residual(encoded.residual, self._residual_key()))
        purpose = bundle.update_purpose(job.choice.round, keys.account_of(self.keypair))
        ciphertext, boxes = sealed.seal(encoded.data, purpose, round_.readers)
        contribution = Contribution(
            model=round_.model,
            base=job.choice.round,
            vehicle=keys.account_of(self.keypair),
            samples=trained.samples,
            steps=trained.steps,
            planned=round_.recipe.steps,
            encoding=round_.recipe.encoding,
            encoding_error=encoded.error,
            keys=boxes,
            held_back=_stated(trained.held_back),
            software=f"milepost-{__version__}",
            profile=self.resources.profile,
            validator=self.resources.validator,
        )
        laid = bundle.lay(
            home / "contribution", {bundle.CONTRIBUTION: contribution.to_bytes(), bundle.UPDATE: ciphertext}
        )
        files.write_whole(home / LAID, importer.root(laid).text.encode())
        return [Trained(trained.samples, trained.steps, trained.held_back, self._shadow(job, round_))]

    def contribution(self, job: Job) -> Path:
        """Its folder, as `finish` laid it out; one that has rotted since is made again. Raises as `finish`."""
        laid, told = self.home(job) / "contribution", self.home(job) / LAID
        if told.is_file() and told.read_text(errors="replace") != importer.root(laid).text:
            self.finish(job)
        return laid

    def keep_residual(self, job: Job) -> None:
        """Only what was entered counts as said. A rename to the same place twice is the same."""
        made, kept = self.home(job) / "residual", self._residual_file(self.shelf.round(job.choice.round))
        if made.is_file():
            files.make_folder(kept.parent)
            made.replace(kept)
            files.sync_folder(kept.parent)

    def home(self, job: Job) -> Path:
        return self.folder / job.id

    def _shadow(self, job: Job, round_: Round) -> Shadow | None:
        """The round's figure on this trip's road, beside that of the round before. None where too little was seen, and
        where it cannot be had: nothing steers by it, so nothing fails for it."""
        shadow = self._shadows.get(job.id)
        if shadow is None:
            return None
        try:
            verdict = self._compare(shadow, job.choice.round, self.last_round(round_.model))
        except (MilepostError, OSError):
            return None
        return Shadow(verdict.newest, verdict.last, verdict.worse) if verdict else None

    def _compare(self, shadow: ShadowEvaluation, newest: CidText, last: CidText | None) -> Comparison | None:
        before = None
        if last is not None and last != newest and self.shelf.holds(last):
            before = self.shelf.get(last, bundle.ROUND_LIMITS)
        folder = self.shelf.get(newest, bundle.ROUND_LIMITS)
        try:
            return shadow.verdict(folder, before, self.resources.machine)
        except Refused:  # the last round had another form
            return shadow.verdict(folder, None, self.resources.machine)

    def _residual_key(self) -> bytes:
        return keys.derived(self.keypair, "milepost/residual")

    def _residual_file(self, round_: Round) -> Path:
        return self.folder.parent / "residual" / round_.model.replace(":", "-")

    def _residual(self, round_: Round, base: Weights) -> Weights | None:
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


def _stated(figure: float | None) -> Decimal | None:
    """A figure as a document takes it: one that is beyond all measure says nothing."""
    return Decimal(f"{figure:.6f}") if figure is not None and figure < MOST_LOSS else None
