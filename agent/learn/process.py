"""One job's training child: started, listened to, and started again when it dies."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import agent
from agent.learn.control import DEVICE_LOST, DONE, FAILED, ControlSocket
from agent.learn.ring import Ring
from agent.learn.settings import Settings
from agent.learn.setup import Setup
from agent.ports import Progress, TrainingTask

log = logging.getLogger("milepost.learn")

DEATHS = 3
"""Deaths of the child without a step between them, before training is given up until the trip ends."""
PATIENCE_S = 60.0
"""For a step, a figure on the frames held back and a checkpoint, on a slow board."""


class TrainingProcess:
    """Not thread-safe: everything here is called from the daemon's loop."""

    def __init__(self, task: TrainingTask, settings: Settings, ring: Ring, replay: int | None) -> None:
        self.task, self.settings, self.ring, self.replay = task, settings, ring, replay
        self.device: str = settings.device
        self.name = secrets.token_hex(8)
        self.standing = Progress()
        self.notes: list[str] = []
        self.hold = False
        self.deaths = 0
        self.child: subprocess.Popen[bytes] | None = None
        self._spawn()

    def __repr__(self) -> str:
        state = f"child {self.child.pid}" if self.child else "ended"
        return f"<TrainingProcess {self.task.folder.name}: {state}, {self.standing.steps} steps>"

    def pause(self, hold: bool) -> None:
        self.hold = hold
        self.control.send({"hold": hold})

    def attend(self) -> None:
        """Hear what the child has to say; start it again where it died."""
        if self.child is None:
            return
        code = self.child.poll()
        for message in self.control.messages():
            self._hear(message)
        if code is None:
            return
        self._bury()
        if code in (DONE, FAILED):
            return
        if code == DEVICE_LOST:
            self.device = "cpu"
        else:
            self.deaths += 1
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._say(f"The training child died ({how}). Training goes on from its last checkpoint.")
        if self.deaths < DEATHS:
            self._spawn()
        else:
            self._say(f"It died {DEATHS} times without a step: training ended with its last checkpoint.")

    def finish(self) -> None:
        """Let the child write its last checkpoint and end. What it does not manage in a minute, it lost."""
        if self.child is None:
            return
        self.control.send({"finish": True})
        try:
            self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._say(f"The training child did not end within {PATIENCE_S:.0f} s and was stopped.")
        for message in self.control.messages():
            self._hear(message)
        self._bury()

    def close(self) -> None:
        """Stop at once; the last checkpoint stays. Idempotent."""
        if self.child is not None:
            self._bury()

    def _spawn(self) -> None:
        """A fresh interpreter, not a fork: no lock, thread or CUDA context of the daemon's comes along."""
        self.control, theirs = ControlSocket.pair()
        line, (memory, bell) = theirs.end.fileno(), self.ring.ends
        threads = self.settings.threads or max(1, len(os.sched_getaffinity(0)) - 1)
        path = [str(Path(agent.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.child = subprocess.Popen(
            [sys.executable, "-m", "agent.learn.child", str(line)],
            pass_fds=[end for end in (line, memory, bell, self.replay) if end is not None],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(path)},
        )
        theirs.close()
        self.control.send(asdict(self._setup(threads, memory, bell)))

    def _setup(self, threads: int, memory: int, bell: int) -> Setup:
        chosen = self.settings
        return Setup(
            folder=str(self.task.folder),
            base=str(self.task.base),
            seed=self.task.seed,
            ring=self.name,
            memory=memory,
            bell=bell,
            slots=self.ring.slots,
            device=self.device,
            precision=chosen.precision,
            threads=threads,
            hold=self.hold,
            memory_mb=chosen.memory_mb,
            reservoir_mb=chosen.reservoir_mb,
            keep=chosen.keep,
            checkpoint_s=chosen.checkpoint_s,
            past=self.replay,
            past_mb=chosen.past_mb,
            past_key=chosen.past_key.hex(),
            past_file=None if chosen.past_file is None else str(chosen.past_file),
        )

    def _hear(self, message: dict[str, Any]) -> None:
        for note in message["notes"]:
            if note not in self.notes:
                self._say(note)
        if message["steps"] > self.standing.steps:
            self.deaths = 0
        facts = {name: message[name] for name in ("samples", "steps", "loss", "device")}
        self.standing = replace(self.standing, **facts)

    def _say(self, sentence: str) -> None:
        self.notes.append(sentence)
        log.warning("%s", sentence)

    def _bury(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.control.close()
            self.child = None
