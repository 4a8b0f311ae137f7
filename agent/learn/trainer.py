"""The trainer that the daemon holds: frames go in at its door, a child process learns behind it.

What works on frames is loaded by the first task: numpy is a seventh of a parked car's memory.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent import files
from agent.errors import Refused
from agent.learn.settings import Settings
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask

if TYPE_CHECKING:
    from agent.learn.frame_filter import FrameFilter
    from agent.learn.process import TrainingProcess
    from agent.learn.ring import Ring


@dataclass(frozen=True, slots=True)
class StartedTask:
    """What a started task holds."""

    task: TrainingTask
    frame_filter: FrameFilter
    ring: Ring
    process: TrainingProcess


class ChildTrainer:
    """Trains in a child process. `feed` may come from the capture thread; all else from one other thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._job: StartedTask | None = None
        self._lock = threading.Lock()  # the ring is not taken away while a frame is written
        self._past: int | None = None

    def __repr__(self) -> str:
        return f"<ChildTrainer {self._job.process if self._job else 'idle'}>"

    def start(self, task: TrainingTask) -> None:
        from agent.learn.frame_filter import FrameFilter
        from agent.learn.process import TrainingProcess
        from agent.learn.ring import Ring

        if self._job is not None:
            if self._job.task.folder != task.folder:
                other = self._job.task.folder.name
                raise Refused(what=f"training for {task.folder.name}", why=f"{other} is still training")
            return
        files.make_folder(task.folder)
        ring = Ring.sized(task.round, self.settings.ring_mb)
        process = TrainingProcess(task, self.settings, ring, self._past_memory(task))
        self._job = StartedTask(task, FrameFilter(task.round), ring, process)

    def feed(self, frame: LabelledFrame) -> None:
        with self._lock:
            job = self._job
            if job is None or (image := job.frame_filter.sample(frame)) is None:
                return
            if (label := job.frame_filter.label(frame)) is not None:
                job.ring.put(frame.t, label, image)

    def hold(self, closed: bool) -> None:
        if self._job is not None:
            self._job.process.pause(closed)

    def progress(self) -> Progress:
        job = self._job
        if job is None:
            return Progress()
        job.process.attend()
        return replace(
            job.process.standing,
            unlabelled=job.frame_filter.unlabelled,
            dropped=job.ring.lost,
            trouble=job.frame_filter.trouble or (job.process.notes[-1] if job.process.notes else None),
        )

    def finish(self, task: TrainingTask) -> Trained:
        from agent.learn.result import training_result

        if self._job is not None and self._job.task.folder == task.folder:
            self._job.process.attend()
            self._job.process.finish()
            self.close()
        return training_result(task)

    def close(self) -> None:
        with self._lock:
            job, self._job = self._job, None
        if job is not None:
            job.process.close()
            job.ring.close()

    def _past_memory(self, task: TrainingTask) -> int | None:
        """Memory for the samples of earlier trips that outlives each child. In a file it needs none here."""
        if not self.settings.past_mb or self.settings.past_file is not None:
            return None
        from agent.learn import replay

        if self._past is None:
            self._past = os.memfd_create("milepost-past")
        os.ftruncate(self._past, replay.size(task.round, self.settings.past_mb))
        return self._past
