"""The embedded trainer: the same loop without a child, one step a frame, the same result every time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from agent import files
from agent.errors import Refused
from agent.learn import checkpoint, kinds
from agent.learn.checkpoint import TrainingState
from agent.learn.frame_filter import FrameFilter
from agent.learn.recorder import SampleRecorder
from agent.learn.result import training_result
from agent.learn.ring import Record
from agent.learn.samples import Samples
from agent.learn.settings import Settings
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask


@dataclass(slots=True)
class InProcessTask:
    task: TrainingTask
    frame_filter: FrameFilter
    recorder: SampleRecorder
    steps: Iterator[TrainingState]
    notes: list[str]
    held: bool = False
    frames: int = 0


class InProcessTrainer:
    """For tests, benches and simulations: `feed` makes a step, so it does wait for training. On the CPU,
    the same frames in the same order with the same seed give the same weights, bit for bit."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._job: InProcessTask | None = None

    def start(self, task: TrainingTask) -> None:
        import torch

        from agent.learn import loop

        if self._job is not None:
            if self._job.task.folder != task.folder:
                other = self._job.task.folder.name
                raise Refused(what=f"training for {task.folder.name}", why=f"{other} is still training")
            return
        files.make_folder(task.folder)
        kind, most_mb = kinds.of(task.round.task, task.round.input.sample), self.settings.reservoir_mb
        sort = kind.sort(self.settings.keep)
        samples = Samples(task.round.input, most_mb, task.seed, label=kind.label_shape, sort=sort)
        last = checkpoint.load(task.folder) or checkpoint.Checkpoint()
        recorder = SampleRecorder(samples, last.state, secrets.token_hex(8))
        torch.set_num_threads(self.settings.threads or 1)  # sums depend on how many share them
        notes: list[str] = []
        options = loop.Options(checkpoint_s=self.settings.checkpoint_s, say=notes.append)
        steps = loop.train(task, samples, last, options)
        self._job = InProcessTask(task, FrameFilter(task.round), recorder, steps, notes)

    def feed(self, frame: LabelledFrame) -> None:
        job = self._job
        if job is None or (image := job.frame_filter.sample(frame)) is None:
            return
        if (label := job.frame_filter.label(frame)) is None:
            return
        job.frames += 1
        job.recorder.take(Record(job.frames, frame.t, label, image))
        if not job.held:
            next(job.steps, None)

    def hold(self, closed: bool) -> None:
        if self._job is not None:
            self._job.held = closed

    def progress(self) -> Progress:
        job = self._job
        if job is None:
            return Progress()
        state = job.recorder.state
        return Progress(
            samples=state.samples,
            steps=state.steps,
            loss=state.loss,
            device="cpu",
            unlabelled=job.frame_filter.unlabelled,
            trouble=job.frame_filter.trouble or (job.notes[-1] if job.notes else None),
        )

    def finish(self, task: TrainingTask) -> Trained:
        job = self._job
        if job is not None and job.task.folder == task.folder:
            job.recorder.samples.over = True
            for _ in job.steps:
                pass
            self.close()
        return training_result(task)

    def close(self) -> None:
        self._job = None
