"""The bench of the trainer, as far as it is fast."""

from __future__ import annotations

from agent.compose.vehicle import training
from agent.host.sections import Train
from tools.bench.learn import settings


def test_the_bench_trains_as_a_car_does_but_for_its_bounds() -> None:
    """A setting that came since stopped it, and nobody had run it."""
    bench, car = settings("cpu", 1), training(Train(device="cpu", threads=1))
    assert (bench.device, bench.precision, bench.threads, bench.keep) == ("cpu", car.precision, 1, car.keep)
    assert settings("cuda", 1, memory_mb=64).memory_mb == 64
