"""The trainer that the daemon holds: a child process, its ring of samples, and what to do when it dies."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import agent
from agent.errors import Refused
from agent.learn.child import DEVICE_LOST, DONE, FAILED
from agent.learn.handover import handover
from agent.learn.ring import Ring
from agent.learn.sieve import Sieve
from agent.learn.wire import Wire
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask

log = logging.getLogger("milepost.learn")

DEATHS = 3
"""Deaths of the child without a step between them, before training is given up until the trip ends."""
PATIENCE_S = 60.0
"""For a step, a figure on the frames held back and a checkpoint, on a slow board."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What of this machine training may use."""

    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    buffer_mb: float = 256.0
    ring_mb: float = 16.0
    checkpoint_s: float = 20.0
    threads: int | None = None
    """CPU threads; by default all cores but one, which is the camera's."""
    fingerprint_key: bytes = b""
    """Keys the hashes that show whether two contributions saw the same frames. Empty: no fingerprint."""


class ChildTrainer:
    """Trains in a child process. `feed` may come from the capture thread; all else from one other thread."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.task: TrainingTask | None = None
        self.lock = threading.Lock()  # of `ring`: it is not taken away while a frame is written
        self.ring: Ring | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<ChildTrainer {self.task.folder.name if self.task else 'idle'} {self.child}>"

    def start(self, task: TrainingTask) -> None:
        if self.task is not None:
            if self.task.folder != task.folder:
                raise Refused(
                    what=f"training {task.folder.name}", why=f"{self.task.folder.name} is still training"
                )
            return
        task.folder.mkdir(parents=True, exist_ok=True)
        self.task, self.sieve = task, Sieve(task.round)
        self.ring, self.ring_name = Ring.sized(task.round.input, self.settings.ring_mb), secrets.token_hex(8)
        self.standing, self.device = Progress(), self.settings.device
        self.held = False
        self.deaths, self.notes = 0, list[str]()
        self._spawn()

    def feed(self, frame: LabelledFrame) -> None:
        with self.lock:
            if self.ring is not None and (image := self.sieve.sample(frame)) is not None:
                self.ring.put(frame.t, float(frame.label or 0), image)

    def hold(self, closed: bool) -> None:
        self.held = closed
        if self.child is not None:
            self.wire.send({"hold": closed})

    def progress(self) -> Progress:
        if self.task is None or self.ring is None:
            return Progress()
        self._attend()
        trouble = self.sieve.trouble or (self.notes[-1] if self.notes else None)
        lost = self.ring.lost
        return replace(self.standing, unlabelled=self.sieve.unlabelled, dropped=lost, trouble=trouble)

    def finish(self, task: TrainingTask | None = None) -> Trained:
        """`task` names the job after a restart of the daemon, when nothing was started in this process."""
        chosen = self.task or task
        if chosen is None:
            raise Refused(what="the end of training", why="no training was started")
        if self.child is not None:
            self.wire.send({"finish": True})
            try:
                self.child.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            self._attend(restart=False)
        self.close()
        return handover(chosen)

    def close(self) -> None:
        """Stop at once; the last checkpoint stays. Idempotent."""
        if self.child is not None:
            self._bury()
        with self.lock:
            if self.ring is not None:
                self.ring.close()
            self.ring = None
        self.task = None

    # --- the child --------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        assert self.task is not None and self.ring is not None
        self.wire, theirs = Wire.pair()
        memory, bell = self.ring.ends
        threads = self.settings.threads or max(1, len(os.sched_getaffinity(0)) - 1)
        here = str(Path(agent.__file__).parents[1])
        self.child = subprocess.Popen(
            [sys.executable, "-m", "agent.learn.child", str(theirs.end.fileno())],
            pass_fds=(theirs.end.fileno(), memory, bell),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "PYTHONPATH": os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])]),
            },
        )
        theirs.close()
        self.wire.send(
            {
                **{"folder": str(self.task.folder), "base": str(self.task.base), "seed": self.task.seed},
                **{"memory": memory, "bell": bell, "slots": self.ring.slots, "ring": self.ring_name},
                **{"device": self.device, "threads": threads, "hold": self.held},
                **{"buffer_mb": self.settings.buffer_mb, "checkpoint_s": self.settings.checkpoint_s},
                "key": self.settings.fingerprint_key.hex(),
            }
        )

    def _attend(self, restart: bool = True) -> None:
        """Read what the child says; start it again where it died."""
        if self.child is None:
            return
        code = self.child.poll()
        for message in self.wire.messages():
            self._hear(message)
        if code is None:
            return
        self._bury()
        if code == DONE:
            return
        if code == DEVICE_LOST:
            self.device = "cpu"
        elif code == FAILED:
            restart = False
        else:
            self.deaths += 1
            self._say(f"The training child died ({_death(code)}). Training goes on from its last checkpoint.")
        if self.deaths >= DEATHS:
            self._say(
                f"The training child died {DEATHS} times in a row: training ended with its last checkpoint."
            )
        elif restart:
            self._spawn()

    def _hear(self, message: dict[str, Any]) -> None:
        for note in message.get("notes", []):
            if note not in self.notes:
                self._say(note)
        if "failed" in message:
            self._say(message["failed"])
        elif message["steps"] > self.standing.steps:
            self.deaths = 0
        if "steps" in message:
            facts = {name: message[name] for name in ("samples", "steps", "loss", "device")}
            self.standing = replace(self.standing, **facts)

    def _say(self, sentence: str) -> None:
        self.notes.append(sentence)
        log.warning("%s", sentence)

    def _bury(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()
        self.wire.close()
        self.child = None


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
