"""Faults of one's own: disk, store, broker, files. Crashes and restarts are not here: they happen all the time."""

from __future__ import annotations

import contextlib

from tools.chaos import lesson
from tools.chaos.kinds.kind import Cast, Course, Kind, ledgers
from tools.chaos.town import Town


def full_disk(town: Town, cast: Cast) -> Course:
    struck = town.ground.dice.sample(town.daemons, 4)
    for daemon in struck:
        daemon.weather.disk_is_full = True
    yield from ledgers(8)
    for daemon in struck:
        daemon.weather.disk_is_full = False


def store_outage(town: Town, cast: Cast) -> Course:
    struck = town.ground.dice.sample(town.daemons, 10)
    for daemon in struck:
        daemon.weather.store_is_away = True
    yield from ledgers(10)
    for daemon in struck:
        daemon.weather.store_is_away = False


def broker_drops(town: Town, cast: Cast) -> Course:
    town.ground.broker.drops = 0.4
    yield from ledgers(12)
    town.ground.broker.drops = 0.0


def broker_repeats(town: Town, cast: Cast) -> Course:
    broker = town.ground.broker
    broker.repeats, broker.holds = 0.5, 0.4
    yield from ledgers(12)
    broker.repeats = broker.holds = 0.0


def broker_away(town: Town, cast: Cast) -> Course:
    town.ground.broker.stop()
    yield from ledgers(8)
    town.ground.broker.start()


def torn_file(town: Town, cast: Cast) -> Course:
    """A power cut in the middle of a write: the newest update that a validator keeps is half there."""
    bench = town.ground.dice.choice(town.benches)
    for _ in range(6):
        files = sorted((bench.folder / "updates").rglob("*.npy"), key=lambda path: path.stat().st_mtime)
        if files:
            bench.crash()
            data = files[-1].read_bytes()
            files[-1].write_bytes(data[: len(data) // 2])
        yield from ledgers(3)


def other_form(town: Town, cast: Cast) -> Course:
    """A validator's own test set has another form than its round for a while."""
    bench = town.ground.dice.choice(town.benches)
    bench.crash()
    bench.private_set.write_bytes(lesson.tests(bench.number, lesson.OTHER).dump())
    yield from ledgers(25)
    bench.mend()
    bench.crash()


def lost_checkpoint(town: Town, cast: Cast) -> Course:
    """A car's scratch is gone after a crash: what it was training on is not to be had any more."""
    car = town.ground.dice.choice(town.cars)
    car.crash()
    for path in (car.folder / "jobs").rglob("*.safetensors"):
        with contextlib.suppress(OSError):
            path.unlink()
    yield


KINDS = (
    Kind("full disk", "own fault", "nothing can be written down for a while", full_disk),
    Kind("store outage", "own fault", "the content store does not answer half of the town", store_outage),
    Kind("broker drops", "own fault", "two messages of five are lost", broker_drops),
    Kind("broker repeats", "own fault", "messages come twice, late and in another order", broker_repeats),
    Kind("broker away", "own fault", "nobody hears anybody", broker_away),
    Kind("torn file", "own fault", "a kept update is half there after a power cut", torn_file),
    Kind("other form", "own fault", "a validator's private set does not fit the round", other_form),
    Kind("lost checkpoint", "own fault", "a car's scratch is gone after a crash", lost_checkpoint),
)
