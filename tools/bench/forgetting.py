"""What a network still knows of the first drive after the last one, with and without a past and a pull."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agent.core.round import Round
from agent.learn import checkpoint, loop, networks
from agent.learn.checkpoint import Checkpoint
from agent.learn.replay import ReplayBuffer
from agent.learn.samples import Reservoir, Samples, prepare
from agent.ports import TrainingTask
from agent.sense.drive import Drive, load_drive
from tools.bench.plain_round import bundle, plain_round

PULL = "0.0001"
PAST_MB = 64.0


def forgetting(folder: Path, shared: Path, steps: int) -> dict[str, Any]:
    """Errors in degrees on the first drive's held-back frames, after the first drive and after the last.

    The drives: the real one, then both directions of the simulated course; each is learnt from where the one before
    ended, as a car does that follows its model.
    """
    import torch

    torch.set_num_threads(1)  # as beside a camera on two cores
    real, course = load_drive(shared / "drive_a"), load_drive(shared / "drive_sim", "steering_smooth_deg")
    half = len(course.t) // 2
    parts = [(real, 0, len(real.t)), (course, 0, half), (course, half, len(course.t))]
    spec = plain_round().input
    trips = [_trip(drive, first, last, spec) for drive, first, last in parts]
    found: dict[str, Any] = {"drives": [drive.name for drive, _, _ in parts], "steps": steps}
    for name, pull, past_mb in (("kept", PULL, PAST_MB), ("plain", "0", 0.0)):
        after_first, after_last, newest = _sequence(folder / name, plain_round(steps=steps, pull=pull), trips, past_mb)
        found[name] = {
            "after_first_deg": round(after_first, 3),
            "after_last_deg": round(after_last, 3),
            "ratio": round(after_last / after_first, 3),
            "last_drive_deg": round(newest, 3),
        }
    found["forgetting"] = found["kept"]["ratio"]
    return found


def _trip(drive: Drive, first: int, last: int, spec: Any) -> Samples:
    samples = Samples(spec, 400.0, seed=1)
    assert drive.images is not None  # noqa: S101 (the packs have videos)
    film = drive.images.film(first)
    for row in range(first, last):
        image = film.read()
        if image is not None:
            began = float(drive.t[first])
            samples.add(prepare(image, spec), float(drive.steering_deg[row]), float(drive.t[row]) - began)
    film.close()
    return samples


def _sequence(folder: Path, round: Round, trips: list[Samples], past_mb: float) -> tuple[float, float, float]:
    """The first drive's error after the first and after the last drive, and the last drive's own."""
    base, errors = bundle(round, folder / "base"), []
    kept = ReplayBuffer(round, past_mb, None, None, b"") if past_mb else None
    for number, trip in enumerate(trips):
        trip.replay, trip.seed = (kept.reservoir if kept else None), number
        task = TrainingTask(folder / f"trip{number}", base, round, number)
        task.folder.mkdir(parents=True)
        for _ in loop.train(task, trip, Checkpoint(), loop.Options(checkpoint_s=1e9)):
            pass
        if kept:
            kept.keep(trip.trip)
        last = checkpoint.load(task.folder)
        assert last is not None  # noqa: S101 (the loop ends with a checkpoint)
        learnt = last.weights
        checkpoint.write_weights(base / "weights.safetensors", learnt)
        errors.append(_error(learnt, trips[0].held, round))
    return errors[0], errors[-1], _error(learnt, trips[-1].held, round)


def _error(weights: dict[str, np.ndarray], held: Reservoir, round: Round) -> float:
    network = networks.build(round)
    loop.load_weights(network, weights)
    return loop.figure(network, held, round) or 0.0
