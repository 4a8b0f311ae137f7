"""The agent's trainer against a bare PyTorch loop, beside a camera, and over a sequence of different drives."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil

from agent.learn.samples import planes, prepare
from agent.learn.settings import Settings
from agent.learn.trainer import ChildTrainer
from agent.ports import LabelledFrame, TrainingTask
from agent.sense.drive import Drive, load_drive
from agent.sense.road import synthetic_drive
from tools.bench.forgetting import forgetting
from tools.bench.plain_round import bundle, plain_round

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FPS = 20.0
SLICE_S = 2.0
"""Short, so that what else the machine does falls on both sides."""
LOOK_S = 0.005
REPORTS = 4
"""Reports of the trainer that a slice takes at least: the first is of a step that began before."""
PAUSE_S = 3.0
"""How long is waited for a step that comes late, after a gate was shut."""
COMPARED_S = 120.0
"""The most that speeds are compared for: longer gives no better figure."""


def frames(drive: Drive, first: int = 0) -> Iterator[LabelledFrame]:
    """The drive from a frame on, with its own steering as labels."""
    if drive.images is None:
        raise click.UsageError(f"the drive {drive.name} has no video")
    film = drive.images.film(first)
    for row in range(first, len(drive.t)):
        image = film.read()
        if image is None:
            break
        yield LabelledFrame(float(drive.t[row]), image, float(drive.steering_deg[row]))
    film.close()


def around(drive: Drive) -> Iterator[LabelledFrame]:
    """The drive again and again, its clock running on."""
    length = float(drive.t[-1] - drive.t[0]) + 1 / FPS
    for lap in itertools.count():
        for frame in frames(drive):
            yield LabelledFrame(frame.t + lap * length, frame.image, frame.label)


@dataclass(slots=True)
class Memory:
    """What the training child holds, looked at now and then."""

    process: psutil.Process
    mb: list[float] = field(default_factory=list)

    def look(self) -> None:
        self.mb.append(self.process.memory_info().rss / 1e6)

    @property
    def growth(self) -> float:
        """From the mean of the second quarter, when everything is allocated, to that of the last."""
        quarter = max(1, len(self.mb) // 4)
        early = statistics.fmean(self.mb[quarter : 2 * quarter] or self.mb)
        return statistics.fmean(self.mb[-quarter:]) / early - 1


def child_of(this: psutil.Process) -> psutil.Process:
    return next(process for process in this.children() if "agent.learn.child" in process.cmdline())


def live(trainer: ChildTrainer, task: TrainingTask, drive: Drive, seconds: float) -> dict[str, Any]:
    """A drive decoded at its own pace while the trainer trains; driven again from its start where it is short."""
    began = time.monotonic()
    trainer.start(task)
    memory = Memory(child_of(psutil.Process()))
    first_step, fed = None, 0
    for frame in itertools.islice(around(drive), int(seconds * FPS)):
        trainer.feed(frame)
        fed += 1
        if first_step is None and trainer.progress().steps:
            first_step = time.monotonic() - began
        if fed % FPS == 0:
            memory.look()
        time.sleep(max(0.0, began + fed / FPS - time.monotonic()))
    behind = time.monotonic() - began - fed / FPS
    dropped, arrived = trainer.progress().dropped, time.monotonic()
    result = trainer.finish(task)
    finish = time.monotonic() - arrived
    return {
        "frames": fed,
        "dropped": dropped,
        "behind_s": round(max(0.0, behind), 3),
        "first_step_s": None if first_step is None else round(first_step, 2),
        "finish_s": round(finish, 2),
        "live_steps": result.steps,
        "live_samples": result.samples,
        "memory_mb": figures(max(memory.mb)),
        "memory_growth": figures(memory.growth),
    }


def settings(device: str, threads: int, **other: Any) -> Settings:
    """As a car has them, without a past."""
    usual = Settings(
        device="cuda" if device == "cuda" else "cpu",
        precision="auto",
        threads=threads,
        memory_mb=1200,
        reservoir_mb=256.0,
        checkpoint_s=10.0,
        keep="auto",
        past_mb=0.0,
    )
    return replace(usual, **other)


def fill(trainer: ChildTrainer, drive: Drive, most: int) -> None:
    """Feed a drive as fast as the trainer takes it, losing none."""
    for fed, frame in enumerate(frames(drive), 1):
        trainer.feed(frame)
        while fed % 200 == 0 and trainer.progress().samples < fed * 0.6:
            time.sleep(LOOK_S)
        if fed == most:
            return


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one stretch. `cpu_s`: processor seconds a step, which does not depend on who else uses the machine."""

    per_second: float
    cpu_s: float


def trained(trainer: ChildTrainer, child: psutil.Process, seconds: float) -> Pace:
    """The trainer's pace between the first and the last report of a stretch."""
    trainer.hold(False)
    seen: list[tuple[float, int, float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(seen) < REPORTS:
        steps = trainer.progress().steps
        if not seen or steps != seen[-1][1]:
            used = child.cpu_times()
            seen.append((time.monotonic(), steps, used.user + used.system))
        time.sleep(LOOK_S)
    trainer.hold(True)
    (start, before, spent), (stop, after, spent_then) = seen[1], seen[-1]
    return Pace((after - before) / (stop - start), (spent_then - spent) / (after - before))


def pause(trainer: ChildTrainer) -> float:
    """Seconds from a gate that shuts to the last step that was still done."""
    began = last = time.monotonic()
    before = trainer.progress().steps
    trainer.hold(True)
    while time.monotonic() - began < PAUSE_S:
        if (steps := trainer.progress().steps) != before:
            before, last = steps, time.monotonic()
        time.sleep(LOOK_S)
    return last - began


class Bare:
    """What one writes by hand: network, optimizer, loss, frames in one tensor."""

    def __init__(self, task: TrainingTask, drive: Drive, most: int, device: str, threads: int) -> None:
        import torch

        from agent.learn import loop, networks

        torch.set_num_threads(threads)
        taken = [frame for frame, _ in zip(frames(drive), range(most), strict=False)]
        pixels = np.stack([prepare(frame.image, task.round.input) for frame in taken])
        scale = float(task.round.task.scale)
        self.images = torch.from_numpy(planes(pixels)).to(device)
        self.labels = torch.tensor(
            [frame.label / scale if isinstance(frame.label, float) else 0.0 for frame in taken]
        ).to(device)
        self.batch, self.device = task.round.recipe.batch, device
        self.network = networks.build(task.round).to(device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.001)
        self.precision, _ = loop.autocast(torch.device(device), "auto")

    def trained(self, seconds: float) -> Pace:
        import torch

        steps, began, spent = 0, time.monotonic(), time.process_time()
        while time.monotonic() - began < seconds:
            chosen = torch.randint(len(self.labels), (self.batch,), device=self.device)
            with self.precision():
                out = self.network(self.images[chosen])
                loss = torch.nn.functional.smooth_l1_loss(out[:, 0], self.labels[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            steps += 1
        if self.device == "cuda":
            torch.cuda.synchronize()
        return Pace(steps / (time.monotonic() - began), (time.process_time() - spent) / steps)


def speed(folder: Path, drive: Drive, seconds: float, device: str, threads: int) -> dict[str, Any]:
    """The trainer and a bare loop in turns of a few seconds, so that both see the same machine."""
    round = plain_round(steps=1_000_000)
    task = TrainingTask(folder / "speed", bundle(round, folder / "base"), round, 1)
    trainer = ChildTrainer(settings(device, threads, reservoir_mb=64.0))
    trainer.start(task)
    trainer.hold(True)
    most = 64_000_000 // (66 * 200 * 3)
    fill(trainer, drive, most)
    bare = Bare(task, drive, most, device, threads)
    bare.trained(1.0)
    child = child_of(psutil.Process())
    pairs = []
    turns = max(2, int(seconds / (2 * SLICE_S)))
    length = seconds / (2 * turns)
    for _ in range(turns):
        pairs.append((trained(trainer, child, length), bare.trained(length)))
    trainer.hold(False)
    time.sleep(1)
    pause_s = pause(trainer)
    trainer.close()
    ours, theirs = (statistics.median(pair[side].per_second for pair in pairs) * round.recipe.batch for side in (0, 1))
    turned = [one.per_second / other.per_second for one, other in pairs]
    return {
        "ratio": figures(statistics.median(turned)),
        "cpu_ratio": figures(statistics.median(other.cpu_s / one.cpu_s for one, other in pairs)),
        "samples_per_s": figures(ours),
        "bare_samples_per_s": figures(theirs),
        "pause_s": figures(pause_s),
        "turns": [figures(turn) for turn in turned],
    }


def figures(value: float) -> float:
    return float(f"{value:.4g}")


@click.command()
@click.option("--seconds", default=60.0, help="How long to train beside a live drive; 1800 for the figure on memory.")
@click.option("--drive", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A recorded drive.")
@click.option("--forget", is_flag=True, help="Measure forgetting over a sequence of drives instead (minutes).")
@click.option("--steps", default=400, help="Steps a drive with --forget.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(seconds: float, drive: Path | None, forget: bool, steps: int, as_json: bool) -> None:
    """The agent's trainer against a bare PyTorch loop."""
    import torch

    threads = max(1, len(os.sched_getaffinity(0)) - 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = drive or (SHARED / "drive_a" if (SHARED / "drive_a").is_dir() else None)
    facts: dict[str, Any] = {
        "device": device,
        "threads": threads,
        "torch": torch.__version__,
        "network": "pilotnet",
        "batch": 64,
        "drive": found.name if found else "synthetic road",
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if forget:
            facts |= forgetting(folder, SHARED, steps)
        else:
            road = load_drive(found) if found else synthetic_drive(120.0, FPS)
            facts |= speed(folder, road, min(seconds, COMPARED_S), device, threads)
            round = plain_round(steps=1_000_000)
            task = TrainingTask(folder / "live", bundle(round, folder / "live-base"), round, 1)
            facts |= live(ChildTrainer(settings(device, threads)), task, road, seconds)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:20} {value}")


if __name__ == "__main__":
    main()
