"""A parked car sleeps, and misses nothing: each event ends the loop's sleep by itself. No time passes here but by hand,
so what were only seen by looking again and again would never be seen."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair

from agent.compose.vehicle import vehicle
from agent.core.jobs.contribution import Accepted, Job, JobState, Step
from agent.core.money import UNIT
from agent.fleet.topics import VehicleTopics
from agent.host.clock import SystemClock
from agent.host.config import load
from agent.ports import Message, Reading
from agent.vehicle.background import VERDICT_S, BackgroundSteps
from agent.vehicle.daemon import QUIET_S, Vehicle
from agent.vehicle.verdict import Events
from tests.fleet.brokers import Mosquitto, until
from tests.vehicle import trips
from tools.demo.hostile import NoiseTrainer

TOPICS = VehicleTopics("north", "car")


class StillClock(SystemClock):
    """Its time is turned by hand. Who waits does so until then, or until woken."""

    def __init__(self) -> None:
        super().__init__()
        self._passed, self._until = 0.0, 0.0
        self.waits = threading.Event()
        """Whether the loop sleeps."""

    def monotonic(self) -> float:
        return self._passed

    def wait(self, seconds: float) -> None:
        self._until = self._passed + seconds
        self.waits.set()
        super().wait(3600)
        self.waits.clear()

    def sleep(self, seconds: float) -> None:
        super().sleep(0.001)  # so that whoever turns all the time leaves room for others

    def turn(self, seconds: float) -> None:
        self._passed += seconds
        if self._passed >= self._until:
            self.wake()


class Wheel:
    """An odometer that says what the test says, and tells of it as a real one does."""

    trouble: str | None = None
    pause_s = float("inf")

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock
        self._said: list[Reading] = []
        self._t = 0.0

    def say(self, metres: float, ignition: bool = True) -> None:
        self._t += 1
        self._said.append(Reading(self._t, travelled_m=metres, ignition=ignition))
        self._clock.wake()

    def poll(self) -> Sequence[Reading]:
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """Nothing is held."""


class Parked:
    """A car's daemon in a thread of its own, asleep when `asleep` returns."""

    def __init__(self, folder: Path, broker: Mosquitto | None = None) -> None:
        key = Keypair.random()
        (folder / "key").write_text(key.secret)
        (folder / "key").chmod(0o600)
        tables: dict[str, dict[str, Any]] = {
            "agent": {"id": "car", "fleet": "north", "state_dir": f"{folder}/state", "key_file": f"{folder}/key"},
            "ledger": {"horizon": "http://127.0.0.1:9", "passphrase": "x", "timeout_s": 1},
            "content": {"stores": [f"folder:{folder}/content"]},
            "market": {"initiators": [key.public_key], "operator": key.public_key},
            "mqtt": {"host": "127.0.0.1", "port": broker.port} if broker else {"enabled": False},
            "odometer": {"source": "gpsd://127.0.0.1:9"},
            "trip": {"trigger_m": 20, "ignition_off_s": 1.0},
            "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
        }
        lines = []
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        self.config = folder / "milepost.toml"
        self.config.write_text("\n".join(lines) + "\n")
        self.state = folder / "state"
        self.clock = StillClock()
        self.wheel = Wheel(self.clock)

    def start(self) -> None:
        made: list[Vehicle] = []
        is_made = threading.Event()

        def run() -> None:  # the journal is for one thread
            one = vehicle(load(self.config), self.clock, dict, NoiseTrainer())
            one.parts.odometer.close()
            one.parts.odometer = self.wheel
            self.prepare(one)
            made.append(one)
            is_made.set()
            one.run()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert is_made.wait(60)
        self.vehicle = made[0]
        self.asleep()

    def prepare(self, one: Vehicle) -> None:
        """What a test wants otherwise."""

    def asleep(self) -> None:
        assert self.clock.waits.wait(60)

    @property
    def turns(self) -> float:
        turns = self.vehicle.parts.gauges.metrics.figures()["loop_turns_total"]
        assert not isinstance(turns, dict)
        return turns

    @property
    def states(self) -> list[JobState]:
        return [job.state for job in self.vehicle.parts.book.open.values()]

    def stop(self) -> None:
        self.clock.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def parked(tmp_path: Path) -> Iterator[Parked]:
    car = Parked(tmp_path)
    yield car
    car.stop()


def test_a_parked_car_of_which_nobody_wants_anything_does_not_turn(parked: Parked) -> None:
    parked.start()
    turns = parked.turns
    parked.clock.turn(QUIET_S / 2)
    parked.wheel.say(0, ignition=False)
    until(lambda: parked.turns > turns)
    parked.asleep()
    assert parked.turns == turns + 1  # for the reading, and none for the time that passed before


def test_the_first_metres_open_a_trip_at_once_and_the_ignition_ends_it(parked: Parked) -> None:
    parked.start()
    parked.wheel.say(0)
    parked.wheel.say(30)
    until(lambda: parked.states)
    parked.clock.turn(2)
    parked.wheel.say(30, ignition=False)
    parked.clock.turn(2)
    parked.wheel.say(30, ignition=False)
    until(lambda: not parked.states)  # it arrived before there was a round
    parked.asleep()


def test_a_car_that_is_switched_off_ends_out_of_its_sleep(parked: Parked) -> None:
    parked.start()
    parked.clock.stop()  # what SIGTERM does
    parked.stop()
    assert json.loads((parked.state / "status.json").read_text())["status"] == "stopped"


def test_the_gates_are_looked_at_all_the_same(parked: Parked) -> None:
    parked.start()
    (parked.state / "status.json").unlink()
    parked.clock.turn(5)
    until((parked.state / "status.json").exists)


class Waiting(Parked):
    """Its entry waits for a verdict; what the step finds stands in `found`, and it ends when `may_end` is set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.found: Events = []
        self.asked, self.may_end = threading.Semaphore(0), threading.Event()

    def prepare(self, one: Vehicle) -> None:
        for event in trips.way():
            one.parts.book.record("trip-000001", event, 0.0)
        one._background = BackgroundSteps(self._step, self.clock.wake)

    def _step(self, job: Job, step: Step) -> Events:
        assert step is Step.WATCH
        self.asked.release()
        assert self.may_end.wait(60)
        return self.found


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    car = Waiting(tmp_path)
    yield car
    car.may_end.set()
    car.stop()


def test_a_verdict_is_written_down_as_soon_as_it_is_there(waiting: Waiting) -> None:
    waiting.start()
    assert waiting.asked.acquire(timeout=60)
    waiting.asleep()  # while the ledger is asked
    waiting.found = [Accepted(settlement=None, credit=UNIT, returned=0, reason="good")]
    waiting.may_end.set()
    until(lambda: waiting.states == [JobState.SETTLED])


def test_who_waits_for_a_verdict_asks_again_when_the_pause_is_over(waiting: Waiting) -> None:
    waiting.may_end.set()
    waiting.start()
    assert waiting.asked.acquire(timeout=60)
    until(lambda: waiting.vehicle._background.idle)
    waiting.asleep()
    waiting.clock.turn(VERDICT_S.first)
    assert waiting.asked.acquire(timeout=60)


def test_an_order_of_the_workshop_is_answered_at_once(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    workshop = broker.link("workshop", [f"{TOPICS.root}/#"])
    until(lambda: workshop.connected)
    car = Parked(tmp_path, broker)
    car.start()
    try:
        heard: list[Message] = []
        online = lambda: heard.extend(workshop.receive()) or any(m.topic == TOPICS.status for m in heard)  # noqa: E731
        until(online)
        workshop.publish(Message(TOPICS.command("hold"), json.dumps({"id": "h1"}).encode()))
        until(lambda: heard.extend(workshop.receive()) or any(m.topic == TOPICS.reply("hold") for m in heard))
    finally:
        car.stop()
        workshop.close()
        broker.close()


def test_what_a_parked_car_does_not_need_is_not_loaded(tmp_path: Path) -> None:
    """numpy alone is 25 MB; a new journal takes it once. In an interpreter of its own: others have loaded all of it."""
    car = Parked(tmp_path)
    turned = """
import sys
from agent.compose.vehicle import vehicle
from agent.host.clock import SystemClock
from agent.host.config import load
one = vehicle(load(sys.argv[1]), SystemClock(), dict)
one.turn()
one.close()
assert not (there := {"numpy", "torch", "cv2", "onnx", "onnxruntime", "can"} & set(sys.modules)), there
"""
    vehicle(load(car.config), SystemClock(), dict).close()  # its journal is there from the start before
    subprocess.run([sys.executable, "-c", turned, str(car.config)], check=True, timeout=60)
