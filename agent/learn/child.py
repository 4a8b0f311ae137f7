"""The training child: `python -m agent.learn.child`, started by `process.TrainingProcess` and by nobody
else.

It has its own memory and its own end: what goes wrong with torch or CUDA goes wrong here. It ends by
itself when the daemon's end of the control line is gone, and is the first to go when the machine runs out
of memory.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from agent.core.bundle_files import ROUND
from agent.core.round import Round
from agent.errors import Malformed, MilepostError
from agent.learn import checkpoint, heap, kinds
from agent.learn.control import DEVICE_LOST, DONE, FAILED, ControlSocket
from agent.learn.recorder import SampleRecorder
from agent.learn.replay import ReplayBuffer
from agent.learn.ring import Ring
from agent.learn.samples import Samples
from agent.learn.setup import Setup
from agent.ports import TrainingTask

REPORT_S = 0.25
STUCK_S = 300
"""A step that takes longer is a driver that hangs: the process ends itself and is started again."""


class Driver:
    """Turns the loop's crank: orders in, frames in, reports out, between two steps."""

    def __init__(self, control: ControlSocket, setup: Setup, device: str, notes: list[str]) -> None:
        base = Path(setup.base)
        round = Round.parse((base / ROUND).read_bytes())
        self.control, self.setup, self.device, self.notes = control, setup, device, notes
        self.task = TrainingTask(Path(setup.folder), base, round, setup.seed)
        self.held = setup.hold
        self.reported = 0.0
        self.told: dict[str, Any] = {}
        self.replay = self._past()
        past = self.replay.reservoir if self.replay else None
        kind = kinds.of(round.task, round.input.sample)
        shape, sort = kind.label_shape, kind.sort(setup.keep)
        self.samples = Samples(round.input, setup.reservoir_mb, self.task.seed, past, shape, sort)
        self.last = self._last()
        self.ring = Ring(round.input, setup.slots, (setup.memory, setup.bell), shape)
        self.ring.again()
        self.recorder = SampleRecorder(self.samples, self.last.state, setup.ring)

    def run(self) -> None:
        """To the end of the trip or of the planned steps. Raises Malformed, TooLarge; RuntimeError from
        torch."""
        from agent.learn import loop

        options = loop.Options(self.device, self.setup.precision, self.setup.checkpoint_s, self.notes.append)
        self.wait()
        state, begun = self.last.state, self.last.state.steps
        for _ in loop.train(self.task, self.samples, self.last, options):
            if state.steps == begun + 1:  # it fits
                heap.keep_freed_memory()
            self.report()
            self.wait()
        if self.replay:
            self.replay.keep(self.samples.trip)

    def wait(self) -> None:
        """Take what has come, and stay here while training is to pause or has nothing to go on."""
        recipe, state = self.task.round.recipe, self.last.state
        self.attend()
        while not self.samples.over and (self.held or not self.samples.suffice(recipe, state)):
            self.report()
            faulthandler.cancel_dump_traceback_later()
            self.ring.wait(None if self.told == self.standing() else REPORT_S, self.control.end.fileno())
            self.attend()

    def attend(self) -> None:
        """Take what has come: orders first, then frames."""
        for order in self.control.messages():
            self.held = order.get("hold", self.held)
            self.samples.over |= order.get("finish", False)
        # Without a daemon there is no camera either: write the last checkpoint and end.
        self.samples.over |= self.control.gone
        for record in self.ring.take():
            self.recorder.take(record)

    def report(self, now: bool = False) -> None:
        """Say how things stand, a few times a second."""
        if now or time.monotonic() - self.reported > REPORT_S:
            self.reported = time.monotonic()
            with contextlib.suppress(RuntimeError):  # memory is short: no thread can be started for it now
                faulthandler.dump_traceback_later(STUCK_S, exit=True)
            self.told = self.standing()
            self.control.send(self.told)

    def standing(self) -> dict[str, Any]:
        """How things stand."""
        state = self.last.state
        counts = {"samples": state.samples, "steps": state.steps, "loss": state.loss}
        return {**counts, "device": self.device, "notes": self.notes[-8:]}

    def _last(self) -> checkpoint.Checkpoint:
        try:
            return checkpoint.load(self.task.folder) or checkpoint.Checkpoint()
        except Malformed as error:
            self.notes.append(f"{error} Training starts again from the round's weights.")
            return checkpoint.Checkpoint()

    def _past(self) -> ReplayBuffer | None:
        setup = self.setup
        if not setup.past_mb:
            return None
        path = Path(setup.past_file) if setup.past_file else None
        key = bytes.fromhex(setup.past_key)
        try:
            return ReplayBuffer(self.task.round, setup.past_mb, setup.past, path, key)
        except Malformed as error:
            self.notes.append(f"{error} This trip trains without the past.")
            return None


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then says what is to be done
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    control = ControlSocket(socket.socket(fileno=int(sys.argv[1])))
    first = control.first(10)
    if first is None:
        return FAILED
    setup = Setup(**first)
    # A child whose daemon was killed may still be writing its last checkpoint.
    with setup.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        driver = prepared(control, setup)
        try:
            driver.run()
            code = DONE
        except MilepostError as error:
            driver.notes.append(str(error))
            code = FAILED
        except MemoryError:
            driver.notes.append(f"Training needs more than its {setup.memory_mb} MB of memory, and ended.")
            code = FAILED
        except RuntimeError as error:
            if driver.device != "cuda":
                raise
            why = str(error).splitlines()[0]
            driver.notes.append(f"CUDA failed ({why}). Training goes on on the CPU from its last checkpoint.")
            code = DEVICE_LOST
        driver.report(now=True)
    return code


def prepared(control: ControlSocket, setup: Setup) -> Driver:
    """Torch within its bounds, and a driver."""
    heap.return_freed_memory()
    import torch

    torch.set_num_threads(setup.threads)
    notes: list[str] = []
    found = device(setup.device, notes)
    if setup.memory_mb and found == "cpu":
        # Past this bound torch is refused memory and takes less at once, before the system kills it. A build with CUDA
        # has mapped far more by now than it holds: what counts is what may still be added.
        now = psutil.Process().memory_info()
        most = now.data + max(0, (setup.memory_mb << 20) - now.rss)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    if setup.memory_mb and found == "cuda":
        share = (setup.memory_mb << 20) / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))
    return Driver(control, setup, found, notes)


def device(wanted: str, notes: list[str]) -> str:
    """CUDA where it is wanted or to be had, and answers; else the CPU, with a note where CUDA was expected."""
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch that was built without CUDA
        notes.append(f"CUDA cannot be used here ({str(error).splitlines()[0]}). Training runs on the CPU.")
        return "cpu"
    return "cuda"


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # torch's own farewell takes longer than the last checkpoint did
