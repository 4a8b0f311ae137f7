"""The training child: killed, starved, held, left alone; the job goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from agent.compose.vehicle import training
from agent.host.sections import Train
from agent.learn import checkpoint
from agent.learn.result import NothingLearnt
from agent.learn.trainer import ChildTrainer
from tests.learn.trips import road, task, until
from tools.bench.plain_round import SPEC

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trainer() -> Iterator[ChildTrainer]:
    trainer = ChildTrainer(training(Train(checkpoint_s=0.1)))
    yield trainer
    trainer.close()


def _children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it may have ended while we look
            if "agent.learn.child" in process.cmdline():
                found.append(process)
    return found


def _child() -> psutil.Process:
    until(_children)
    return _children()[0]


def test_after_kill_9_of_the_child_the_job_goes_on_from_its_last_checkpoint(
    trainer: ChildTrainer, tmp_path: Path
) -> None:
    what = task(tmp_path, steps=1_000_000)
    trainer.start(what)
    for frame in road(100):
        trainer.feed(frame)
    until(lambda: (what.folder / checkpoint.NAME).exists() and trainer.progress().steps > 20)
    _child().kill()
    last = checkpoint.load(what.folder)
    assert last is not None and last.state.steps > 0
    until(lambda: "died (signal 9)" in (trainer.progress().trouble or ""))
    told = trainer.progress().steps  # the dead child's last word, or the new one's first
    until(lambda: trainer.progress().steps > told + 5)
    trained = trainer.finish(what)
    assert trained.steps > last.state.steps
    assert trained.samples <= 100


def test_after_kill_9_of_the_daemon_the_child_ends_and_the_next_daemon_goes_on(tmp_path: Path) -> None:
    what = task(tmp_path, steps=1_000_000)
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(what.folder), str(what.base)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert daemon.stdout is not None
    child = psutil.Process(int(daemon.stdout.readline()))
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    last = checkpoint.load(what.folder)
    assert last is not None and last.state.steps > 20
    trainer = ChildTrainer(training(Train()))
    trainer.start(what)
    for frame in road(40, start=100):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps > last.state.steps)
    assert trainer.finish(what).samples > last.state.samples


DAEMON = """
import json, os, sys, threading
from pathlib import Path
import psutil
from agent.core.round import Round
from agent.compose.vehicle import training
from agent.host.sections import Train
from agent.learn.trainer import ChildTrainer
from agent.ports import TrainingTask
from tests.learn.trips import road

folder, base = map(Path, sys.argv[1:])
trainer = ChildTrainer(training(Train(checkpoint_s=0.1)))
trainer.start(TrainingTask(folder, base, Round.parse((base / "round.json").read_bytes()), 7))
for frame in road(100):
    trainer.feed(frame)
while trainer.progress().steps < 30:
    threading.Event().wait(0.05)
print(psutil.Process().children()[0].pid, flush=True)
threading.Event().wait()
"""


def test_when_memory_runs_out_the_child_is_the_first_to_go(trainer: ChildTrainer, tmp_path: Path) -> None:
    trainer.start(task(tmp_path))
    path = Path(f"/proc/{_child().pid}/oom_score_adj")
    until(lambda: path.read_text().strip() == "1000")


def test_a_shut_gate_stops_training_between_two_steps_and_frames_still_come_in(
    trainer: ChildTrainer, tmp_path: Path
) -> None:
    trainer.start(task(tmp_path, steps=1_000_000))
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps > 5)
    trainer.hold(True)
    until(lambda: _steps_in_a_second(trainer) == 0)
    steps = trainer.progress().steps
    for frame in road(20, start=200):
        trainer.feed(frame)
    until(lambda: trainer.progress().samples == 60)
    assert trainer.progress().steps == steps
    for frame in road(20, start=220):
        trainer.feed(frame)
    until(lambda: trainer.progress().samples == 80)
    assert trainer.progress().steps == steps
    trainer.hold(False)
    until(lambda: trainer.progress().steps > steps)


def test_a_fast_computer_waits_for_new_frames_instead_of_learning_the_first_ones_by_heart(
    trainer: ChildTrainer, tmp_path: Path
) -> None:
    trainer.start(task(tmp_path, batch=16, passes=4))
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().samples == 40 and trainer.progress().steps == 10)
    assert _steps_in_a_second(trainer) == 0
    for frame in road(20, start=40):
        trainer.feed(frame)
    until(lambda: trainer.progress().samples == 60 and trainer.progress().steps == 15)


def _steps_in_a_second(trainer: ChildTrainer) -> int:
    before = trainer.progress().steps
    time.sleep(1)
    return trainer.progress().steps - before


def test_a_child_that_cannot_live_is_given_up_with_a_sentence(trainer: ChildTrainer, tmp_path: Path) -> None:
    what = task(tmp_path)
    trainer.start(what)
    for deaths in (1, 2, 3):
        trainer.progress()
        _child().kill()
        until(lambda: _deaths(trainer) >= deaths)  # noqa: B023 (called within the turn)
    assert "3 times without a step" in (trainer.progress().trouble or "")
    with pytest.raises(NothingLearnt):
        trainer.finish(what)


def _deaths(trainer: ChildTrainer) -> int:
    trainer.progress()
    assert trainer._job is not None
    return trainer._job.process.deaths


def test_a_base_that_does_not_fit_its_round_is_said_and_not_tried_again(trainer: ChildTrainer, tmp_path: Path) -> None:
    what = task(tmp_path)
    checkpoint.write_weights(what.base / "weights.safetensors", {"other": np.zeros(3, np.float32)})
    trainer.start(what)
    for frame in road(20):
        trainer.feed(frame)
    until(lambda: "does not name the same tensors" in (trainer.progress().trouble or ""))
    until(lambda: trainer.progress() and not _children())


def test_a_broken_checkpoint_costs_what_was_trained_and_not_the_trip(trainer: ChildTrainer, tmp_path: Path) -> None:
    what = task(tmp_path)
    what.folder.mkdir()
    (what.folder / checkpoint.NAME).write_bytes(b"not safetensors at all")
    trainer.start(what)
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps > 5)
    assert "starts again from the round's weights" in (trainer.progress().trouble or "")
    assert trainer.finish(what).steps > 5


def test_a_batch_that_does_not_fit_the_memory_goes_through_in_parts(tmp_path: Path) -> None:
    what = task(tmp_path, batch=1024, hyper={"filters": 64, "hidden": 16}, steps=1)
    trainer = ChildTrainer(training(Train(memory_mb=800, reservoir_mb=16)))
    trainer.start(what)
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps == 1, 60)
    assert "Memory did not suffice for 1024 samples at once" in "".join(trainer._job.process.notes)
    assert trainer.finish(what).steps == 1


def test_a_batch_is_halved_only_until_it_fits(tmp_path: Path) -> None:
    """What the try before had taken was kept for a step of its own size, down to a single sample."""
    trainer = ChildTrainer(training(Train(device="cpu", memory_mb=800, reservoir_mb=16)))
    trainer.start(task(tmp_path, batch=1024, steps=1, network="pilotnet", sample=SPEC))
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps == 1, 60)
    said = "".join(trainer._job.process.notes)
    assert "Memory did not suffice for 1024 samples at once" in said
    assert "for 64 samples" not in said
    assert "died" not in said
    trainer.close()


def test_cuda_that_is_not_there_is_said_and_the_cpu_trains(tmp_path: Path) -> None:
    what, trainer = task(tmp_path, steps=20), ChildTrainer(training(Train(device="cuda")))
    trainer.start(what)
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps == 20)
    said = trainer.progress()
    assert said.device == "cpu" or torch.cuda.is_available()
    assert said.device == "cuda" or "CUDA cannot be used here" in (said.trouble or "")
    trainer.close()


LOST_CARD = """
import sys
if "agent.learn.child" in sys.orig_argv:
    import torch

    zeros = torch.zeros
    there = lambda place: "cpu" if str(place) == "cuda" else place
    torch.zeros = lambda *size, device=None, **more: zeros(*size, device=there(device), **more)
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_properties = lambda card: type("Card", (), {"total_memory": 1 << 34})
    torch.cuda.set_per_process_memory_fraction = lambda share: None

    def to(self, device, **more):
        if str(device) == "cuda":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return self

    torch.nn.Module.to = to
"""


def test_a_card_that_is_lost_costs_the_child_and_the_next_one_trains_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card is acted by torch's own functions replaced in the child; child, restart and training are real."""
    (tmp_path / "sitecustomize.py").write_text(LOST_CARD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    what, trainer = task(tmp_path, steps=20), ChildTrainer(training(Train()))
    trainer.start(what)
    for frame in road(40):
        trainer.feed(frame)
    until(lambda: trainer.progress().steps == 20)
    assert trainer.progress().device == "cpu"
    assert "CUDA failed (CUDA error: an illegal memory access was encountered)" in (trainer.progress().trouble or "")
    assert trainer.finish(what).steps == 20
