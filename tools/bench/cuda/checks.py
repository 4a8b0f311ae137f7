"""The checks: `python -m tools.bench.cuda.checks NAME DEVICE FOLDER`, one JSON object as the last line. Each is made of
the product's own trainer, loop and runner."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agent.core.round import Input, Round
from agent.learn import checkpoint, loop, networks
from agent.learn.recorder import SampleRecorder
from agent.learn.ring import Record
from agent.learn.samples import Samples, prepare
from agent.learn.settings import Precision
from agent.learn.trainer import ChildTrainer
from agent.ports import LabelledFrame, TrainingTask
from agent.sense.drive import Drive
from agent.sense.road import synthetic_drive
from tools.bench.learn import FPS, Memory, child_of, figures, frames, live, settings, speed
from tools.bench.plain_round import bundle, plain_round

BOUNDS = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 2e-2}
"""Relative distance of a step's gradients from the CPU's, |g - c| / |c| over all weights. bf16 keeps 8 bits of a number
and fp16 11, and a gradient here is a sum over seven layers."""
RATIO, GATE_S, FIRST_STEP_S = 0.95, 1.0, 15.0
SCORING = 1e-4
BOUND_MB, CONTEXT_MB = 1024, 1024
"""A trainer's bound, and what CUDA itself (kernels, handles) may take beside it."""
HALVING_MB = {"cpu": 800, "cuda": 256}
"""In which a step of 1,024 samples at once does not fit, and one of 64 does. On the CPU torch itself is held in it."""
PATIENCE_S = 60.0

Figures = dict[str, Any]


class NotRun(Exception):
    """It cannot be made here."""


class Failed(Exception):
    """`figures`: what was measured all the same."""

    def __init__(self, why: str, **figures: Any) -> None:
        super().__init__(why)
        self.figures = figures


def step(precision: Precision) -> Callable[[str, Path], Figures]:
    """One step of the product's loop on the device against the same step in the CPU's fp32."""

    def check(device: str, folder: Path) -> Figures:
        bound = BOUNDS[precision]
        if precision != "fp32" and device == "cpu":
            raise NotRun("the CPU trains in fp32")
        given, wanted = gradients(folder / "given", device, precision), gradients(folder / "wanted", "cpu", "fp32")
        off = float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted))
        if not off <= bound:
            raise Failed(f"gradients are {off:.2g} from the CPU's, and {bound:g} is allowed", off=figures(off))
        return {"off": figures(off), "bound": bound}

    return check


def gradients(folder: Path, device: str, precision: Precision) -> Any:
    """Of the first step: Adam's first moments after it are a tenth of them."""
    task, samples, last = steps_of(folder, 1)
    for _ in loop.train(task, samples, last, loop.Options(device, precision)):
        pass
    kept = checkpoint.load(task.folder) or checkpoint.Checkpoint()
    moments = sorted((name, value) for name, value in kept.moments.items() if name.startswith("first/"))
    return np.concatenate([value.ravel() for _, value in moments]).astype(np.float64)


def steps_of(folder: Path, steps: int, batch: int = 64) -> tuple[TrainingTask, Samples, checkpoint.Checkpoint]:
    """A task, the frames of ten seconds of road, and where training begins."""
    round = plain_round(steps=steps, batch=batch)
    task = TrainingTask(folder / "job", bundle(round, folder / "base"), round, 1)
    task.folder.mkdir(parents=True)
    samples, last = Samples(round.input, 16.0, task.seed), checkpoint.Checkpoint()
    recorder = SampleRecorder(samples, last.state, "bench")
    for number, frame in enumerate(frames(road(10)), 1):
        recorder.take(Record(number, frame.t, np.asarray(frame.label, np.float32), prepare(frame.image, round.input)))
    return task, samples, last


def pinned(device: str, folder: Path) -> Figures:
    """A step's batch goes over from pinned memory, and the network computes in half floats where `auto` says so."""
    if device == "cpu":
        raise NotRun("nothing is copied to the CPU, and it has no autocast here")
    import torch
    from torch.profiler import ProfilerActivity, profile

    task, samples, last = steps_of(folder, 1)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in loop.train(task, samples, last, loop.Options(device)):
            pass
        torch.cuda.synchronize()
    network = networks.build(task.round, task.base).to(device)
    precision, _ = loop.autocast(torch.device(device), "auto")
    with precision():
        kind = network(torch.zeros((1, *task.round.input.sample), dtype=torch.uint8, device=device)).dtype
    copies = sorted({event.name for event in seen.events() if "HtoD" in event.name})
    if kind not in (torch.bfloat16, torch.float16):
        raise Failed(f"autocast is off: the network's output is {kind}")
    if not copies:
        raise NotRun("the profiler shows no copy to the card: CUPTI is missing")
    if not any("Pinned" in name for name in copies):
        raise Failed(f"the batch is not copied from pinned memory: {', '.join(copies)}")
    return {"copies": copies, "autocast": str(kind)}


def halving(device: str, folder: Path) -> Figures:
    """A batch that does not fit the trainer's bound goes through in parts, and the step is made."""
    wide = plain_round(
        steps=1000,
        batch=1024,
        network="deepchain",
        hyper={"filters": 64, "hidden": 16},
        sample=Input(height=28, width=28, colour="grey"),
    )
    trainer = started(device, folder, wide, memory_mb=HALVING_MB[device])
    fed(trainer, lambda: trainer.progress().steps > 0)
    halved = [note for note in notes_of(trainer) if "did not suffice" in note]
    on = trainer.progress().device
    trainer.close()
    if not halved or on != device:
        raise Failed(f"it trained on {on}, and said: {halved}")
    return {"said": halved[-1]}


def memory(device: str, folder: Path) -> Figures:
    """The training child stays within its bound."""
    before = free_mb() if device == "cuda" else 0.0
    trainer = started(device, folder, memory_mb=BOUND_MB)
    held, taken = Memory(child_of(psutil.Process())), [0.0]

    def trained() -> bool:
        held.look()
        if device == "cuda":
            taken.append(before - free_mb())
        return trainer.progress().steps >= 30

    fed(trainer, trained)
    trainer.close()
    most = max(taken) if device == "cuda" else max(held.mb) / 1.048576
    bound = BOUND_MB + (CONTEXT_MB if device == "cuda" else 0)
    if most > bound:
        raise Failed(f"it held {most:.0f} MB of {bound}", most_mb=round(most))
    return {"most_mb": round(most), "bound_mb": bound, "rss_mb": round(max(held.mb))}


def free_mb() -> float:
    import torch

    return float(torch.cuda.mem_get_info()[0]) / (1 << 20)


FAULT = """
import sys
if "agent.learn.child" in sys.orig_argv:
    import torch
    backward, turns = torch.Tensor.backward, [0]
    def faulty(self, *given, **more):
        turns[0] += 1
        if turns[0] == 20 and self.is_cuda:
            torch.zeros(4, device="cuda")[torch.tensor([9], device="cuda")] + 1
            torch.cuda.synchronize()
        return backward(self, *given, **more)
    torch.Tensor.backward = faulty
"""
"""A kernel that fails: the card answers this process no more."""


def fault(device: str, folder: Path) -> Figures:
    """A card that fails in a kernel costs the child; the next one goes on from the checkpoint on the CPU."""
    if device == "cpu":
        raise NotRun("it takes a card to fail")
    (folder / "sitecustomize.py").write_text(FAULT)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    trainer = started(device, folder)
    fed(trainer, lambda: trainer.progress().device == "cpu" and trainer.progress().steps > 25)
    notes = " ".join(notes_of(trainer))
    trainer.close()
    if "CUDA failed" not in notes:
        raise Failed(f"the trainer said: {notes}")
    return {"said": notes[:200]}


def killed(device: str, folder: Path) -> Figures:
    """A child killed while it computes, and no card for the next one: it goes on from the checkpoint on the CPU."""
    trainer = started(device, folder, checkpoint_s=0.5)
    fed(trainer, lambda: trainer.progress().steps > 20)
    before = trainer.progress().steps
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    child_of(psutil.Process()).send_signal(signal.SIGKILL)
    fed(trainer, lambda: trainer.progress().steps > before)
    after = trainer.progress()
    notes = " ".join(notes_of(trainer))
    trainer.close()
    if after.device != "cpu" or "died (signal 9)" not in notes:
        raise Failed(f"it goes on on {after.device}, and said: {notes}")
    return {"killed_at": before, "steps": after.steps, "said": notes[:200]}


def scoring(device: str, folder: Path) -> Figures:
    """onnxruntime's CUDA provider against its CPU, on the same samples."""
    import onnxruntime as ort
    import torch

    if device == "cuda" and "CUDAExecutionProvider" not in ort.get_available_providers():
        raise NotRun(f"this onnxruntime has no CUDA provider, but {', '.join(ort.get_available_providers())}")
    from agent.learn import export, graph
    from agent.learn.device import Device
    from agent.learn.runner import Runner

    round = plain_round()
    network = networks.build(round, seed=1)
    checked = graph.check(export.export(network, round.input))
    chosen = np.random.default_rng(1).integers(0, 256, (512, 3, 66, 200), np.uint8)
    here, there = Runner(checked), Runner(checked, machine=Device(device))
    if device == "cuda" and there.provider != "CUDAExecutionProvider":
        raise Failed(f"it runs on {there.provider}")
    paces, outputs = {}, {}
    for name, runner in (("cpu", here), (device, there)):
        runner.run(chosen[:64])  # the first chooses kernels
        began = time.monotonic()
        outputs[name] = runner.run(chosen)
        paces[name] = len(chosen) / (time.monotonic() - began)
    if device == "cpu":  # there torch is what is held against
        with torch.no_grad():
            outputs["torch"] = network.eval()(torch.from_numpy(chosen)).numpy()
    other = outputs["torch" if device == "cpu" else device]
    off = float(np.abs(other - outputs["cpu"]).max())
    if not off <= SCORING:
        raise Failed(f"outputs differ by {off:.2g}, and {SCORING:g} is allowed", off=figures(off))
    return {"off": figures(off), **{f"{name}_samples_per_s": figures(pace) for name, pace in paces.items()}}


def ratio(device: str, folder: Path) -> Figures:
    """The trainer against a bare loop with its frames on the card, and a gate that shuts."""
    found = speed(folder, road(60), 20.0, device, threads())
    found.pop("turns")
    if found["pause_s"] > GATE_S:
        raise Failed(f"the last step came {found['pause_s']} s after the gate", **found)
    if device == "cuda" and found["ratio"] < RATIO:
        raise Failed(f"it makes {found['ratio']} of a bare loop's steps, and {RATIO} is wanted", **found)
    return found


def first_step(device: str, folder: Path) -> Figures:
    """Beside a live drive: nothing dropped, and how long the first step takes to come."""
    round = plain_round(steps=1_000_000)
    task = TrainingTask(folder / "job", bundle(round, folder / "base"), round, 1)
    found = live(ChildTrainer(settings(device, threads())), task, road(15), 15.0)
    first = found["first_step_s"]
    if found["dropped"] or (device == "cuda" and (first is None or first > FIRST_STEP_S)):
        raise Failed(f"the first step came after {first} s, {found['dropped']} frames were dropped", **found)
    return found


CHECKS: dict[str, Callable[[str, Path], Figures]] = {
    "fp32": step("fp32"),
    "bf16": step("bf16"),
    "fp16": step("fp16"),
    "pinned": pinned,
    "halving": halving,
    "memory": memory,
    "fault": fault,
    "killed": killed,
    "scoring": scoring,
    "ratio": ratio,
    "live": first_step,
}


# --- what they have in common ----------------------------------------------------------------------------------------


def threads() -> int:
    return max(1, len(os.sched_getaffinity(0)) - 1)


def road(seconds: float) -> Drive:
    return synthetic_drive(seconds, FPS)


def notes_of(trainer: ChildTrainer) -> list[str]:
    """All that it said so far; `progress` tells the last."""
    return trainer._job.process.notes if trainer._job else []


def started(device: str, folder: Path, wanted: Round | None = None, **other: Any) -> ChildTrainer:
    round = wanted or plain_round(steps=100_000, batch=32)
    task = TrainingTask(folder / "job", bundle(round, folder / "base"), round, 1)
    trainer = ChildTrainer(settings(device, threads(), **{"reservoir_mb": 32.0, "checkpoint_s": 1.0, **other}))
    trainer.start(task)
    return trainer


def paced(drive: Drive) -> Iterator[LabelledFrame]:
    """At the drive's own pace."""
    began = time.monotonic()
    for frame in frames(drive):
        yield frame
        time.sleep(max(0.0, began + frame.t - drive.t[0] - time.monotonic()))


def fed(trainer: ChildTrainer, true: Callable[[], bool]) -> None:
    """Feed frames until something is true."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        for frame in paced(road(5)):
            trainer.feed(frame)
            if true():
                return
    raise Failed(f"after {PATIENCE_S:.0f} s: {trainer.progress()}")


def main() -> None:
    name, device, folder = sys.argv[1:]
    try:
        if device == "cuda":
            there()
        said = {"state": "ok", **CHECKS[name](device, Path(folder))}
    except NotRun as why:
        said = {"state": "not run", "why": str(why)}
    except Failed as failed:
        said = {"state": "failed", "why": str(failed), **failed.figures}
    except ModuleNotFoundError as error:
        said = {"state": "not run", "why": f"{error.name} is not installed"}
    except Exception as error:  # whatever a card does is this check's answer
        said = {"state": "failed", "why": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a card that failed holds up the farewell of those who used it


def there() -> None:
    """Raises NotRun where there is no card."""
    import torch

    if not torch.cuda.is_available():
        raise NotRun("torch sees no CUDA device here")


if __name__ == "__main__":
    main()
