"""The training child: `python -m agent.learn.child`, started by `trainer.ChildTrainer` and by nobody else.

It has its own memory and its own end: what goes wrong with torch or CUDA goes wrong here. It ends by itself when the
daemon's end of the control line is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from agent.core.documents import Round
from agent.errors import MilepostError
from agent.learn import checkpoint
from agent.learn.intake import Intake
from agent.learn.ring import Ring
from agent.learn.samples import Samples
from agent.learn.wire import Wire
from agent.ports import TrainingTask

DONE, FAILED, DEVICE_LOST = 0, 1, 70
REPORT_S = 0.25


class Driver:
    """Turns the loop's crank: frames in, orders in, reports out, between two steps."""

    def __init__(self, wire: Wire, setup: dict[str, Any]) -> None:
        base = Path(setup["base"])
        round = Round.parse((base / "round.json").read_bytes())
        self.wire = wire
        self.task = TrainingTask(Path(setup["folder"]), base, round, setup["seed"])
        self.device = str(setup["device"])
        self.checkpoint_s = float(setup["checkpoint_s"])
        self.notes: list[str] = []
        self.held = bool(setup["hold"])
        self.reported = 0.0
        self.ring = Ring(round.input, setup["slots"], (setup["memory"], setup["bell"]))
        self.ring.again()
        self.samples = Samples(round.input, setup["buffer_mb"], self.task.seed)
        self.last = checkpoint.load(self.task.folder) or checkpoint.Checkpoint()
        self.intake = Intake(self.samples, self.last.state, setup["ring"], bytes.fromhex(setup["key"]))

    def run(self) -> None:
        """To the end of the trip or of the planned steps. Raises Malformed, DeviceLost, TooLarge."""
        from agent.learn import loop

        options = loop.Options(self.device, self.checkpoint_s, self.notes.append)
        self.attend()
        for state in loop.train(self.task, self.samples, self.last, options):
            self.report(state)
            self.attend()
            while not self.samples.over and (self.held or len(self.samples.trip) < loop.START):
                self.ring.wait(None, self.wire.end.fileno())
                self.report(state)
                self.attend()
        self.report(self.last.state, now=True)

    def attend(self) -> None:
        """Take what has come: orders first, then frames."""
        for order in self.wire.messages():
            self.held = order.get("hold", self.held)
            self.samples.over |= order.get("finish", False)
        # Without a daemon there is no camera either: write the last checkpoint and end.
        self.samples.over |= self.wire.gone
        for record in self.ring.take():
            self.intake.take(record)

    def report(self, state: checkpoint.State, now: bool = False) -> None:
        if now or time.monotonic() - self.reported > REPORT_S:
            self.reported = time.monotonic()
            standing = {"samples": state.samples, "steps": state.steps, "loss": state.loss}
            self.wire.send({**standing, "device": self.device, "notes": self.notes[-8:]})


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then says finish
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    wire = Wire(socket.socket(fileno=int(sys.argv[1])))
    setup = first(wire)
    if setup is None:
        return FAILED
    with (Path(setup["folder"]) / "lock").open("w") as lock:
        fcntl.flock(
            lock, fcntl.LOCK_EX
        )  # a child whose daemon was killed may still be writing its last checkpoint
        try:
            import torch

            torch.set_num_threads(setup["threads"])
            setup["device"] = device(setup["device"])
            Driver(wire, setup).run()
        except MilepostError as error:
            wire.send({"failed": str(error)})
            return DEVICE_LOST if type(error).__name__ == "DeviceLost" else FAILED
    return DONE


def first(wire: Wire) -> dict[str, Any] | None:
    """The daemon's first packet says what to do."""
    wire.end.setblocking(True)
    with contextlib.closing(socket.socket(fileno=os.dup(wire.end.fileno()))) as end:
        import select

        select.select([end], [], [], 10)
    return next(wire.messages(), None)


def device(wanted: str) -> str:
    import torch

    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # torch's own farewell takes longer than writing the checkpoint did
