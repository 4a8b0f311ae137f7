"""The daemon's loop on a real ledger, turned by hand: what goes wrong around it costs nothing that was recorded."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from agent.compose.vehicle import vehicle
from agent.core.jobs.contribution import JobState
from agent.core.pauses import Backoff
from agent.host.clock import SystemClock
from agent.host.config import load
from agent.journal import Journal, JournalFull
from agent.learn.result import NothingLearnt
from agent.market.bundle import GRAPH, ROUND, ROUND_LIMITS, WEIGHTS
from agent.ports import Reading, Trained, TrainingTask
from agent.vehicle import background
from agent.vehicle.book import JobBook, every_job
from agent.vehicle.daemon import Vehicle
from tests.market.town import Town, found
from tests.vehicle.test_offers import Car
from tools.demo.hostile import NoiseTrainer
from tools.localnet.server import Localnet

TURNS = 600


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"))


class Wheel:
    """An odometer that the test turns."""

    trouble: str | None = None
    pause_s = 0.0

    def __init__(self) -> None:
        self.t = self.metres = 0.0
        self.drives = False

    def poll(self) -> Sequence[Reading]:
        self.t += 1
        self.metres += 10 * self.drives
        return [Reading(self.t, speed_kmh=36.0 * self.drives, travelled_m=self.metres, ignition=self.drives)]

    def close(self) -> None:
        """Nothing is held."""


class Honest(NoiseTrainer):
    """Says so when it saw nothing."""

    def finish(self, task: TrainingTask) -> Trained:
        if not self.progress().samples:
            raise NothingLearnt(why="there was no frame")
        return super().finish(task)


@dataclasses.dataclass
class Ride:
    town: Town
    car: Car
    vehicle: Vehicle
    wheel: Wheel

    @property
    def book(self) -> JobBook:
        return self.vehicle.parts.book

    @property
    def frames(self) -> int:
        capture = self.vehicle._capture
        return 0 if capture is None else capture.counts.frames

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.book.journal.events("trip-000001")]

    @property
    def troubles(self) -> str:
        return " ".join(self.vehicle.status("online")["troubles"])

    def until(self, true: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(TURNS):
            if true():
                return
            self.vehicle.turn()
            self.town.net.close_ledger()
            pause.wait(0.02)  # steps and frames come from other threads
        raise AssertionError(f"{self.kinds} {self.troubles}")

    def until_it_is(self, state: JobState) -> None:
        self.until(lambda: any(job.state is state for job in self.book.open.values()))


@pytest.fixture
def ride(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ride]]:
    for pauses in ("WAIT_S", "VERDICT_S", "FAULT_S"):
        monkeypatch.setattr(background, pauses, Backoff(0.05, 0.1))
    open_ones: list[Ride] = []

    def begin(**tables: dict[str, object]) -> Ride:
        car = Car(town, town.driver(), tmp_path)
        usual: dict[str, dict[str, object]] = {
            "camera": {"source": "road:?seconds=600&fps=10"},
            "odometer": {"source": "road:?seconds=1"},
            "trip": {"trigger_m": 20, "ignition_off_s": 1.0},
            "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
        }
        config = load(car.config(**{**usual, **tables}))
        made = Ride(town, car, vehicle(config, SystemClock(), dict, Honest()), Wheel())
        made.vehicle.parts.odometer = made.wheel
        open_ones.append(made)
        return made

    yield begin
    for each in open_ones:
        each.vehicle.close()


def fill(journal: Journal) -> None:
    """The disk has no more room for the journal: SQLite itself says so."""
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    for size in (2000, 200, 20, 0):
        with pytest.raises(JournalFull):
            while True:
                journal.append("ballast", "ballast", {"x": "x" * size}, at=0.0)


def free(journal: Journal) -> None:
    journal._connection.execute("PRAGMA max_page_count = 1000000")


def test_a_full_disk_loses_neither_the_trip_nor_what_was_trained(ride: Callable[..., Ride]) -> None:
    one = ride()
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    fill(one.book.journal)
    one.wheel.drives = False
    one.until(lambda: "is full" in one.troubles)
    before = one.kinds
    for _ in range(20):
        one.vehicle.turn()
    assert one.kinds == before
    assert "signed" not in before  # an envelope that is not written down does not exist
    free(one.book.journal)
    one.until_it_is(JobState.ENTERED)
    assert one.kinds == ["opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered"]
    stakes = [s for s in one.town.horizon.stakes(one.town.settlement) if s.sponsor == one.car.key.public_key]
    assert len(stakes) == 1


def test_a_journal_that_somebody_else_has_locked_is_waited_for_in_mid_trip(ride: Callable[..., Ride]) -> None:
    """It ended the daemon with 75 while the car drove."""
    one = ride()
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    one.book.journal._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(one.book.journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one.wheel.drives = False
    one.until(lambda: "is locked by another process" in one.troubles)
    assert "arrived" not in one.kinds
    other.execute("ROLLBACK")
    other.close()
    one.until_it_is(JobState.ENTERED)
    assert one.kinds == ["opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered"]


def test_a_disk_that_fills_up_again_and_again_only_costs_time(
    ride: Callable[..., Ride], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ride()
    journal, append_all = one.book.journal, one.book.journal.append_all
    tries = 0

    def every_third(*asked: object) -> object:
        nonlocal tries
        tries += 1
        if tries % 3:
            raise JournalFull(path=journal.path)
        return append_all(*asked)

    monkeypatch.setattr(journal, "append_all", every_third)
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    one.wheel.drives = False
    one.until_it_is(JobState.ENTERED)
    assert one.kinds == ["opened", "chosen", "fetched", "arrived", "trained", "stored", "signed", "entered"]
    stakes = [s for s in one.town.horizon.stakes(one.town.settlement) if s.sponsor == one.car.key.public_key]
    assert len(stakes) == 1


def test_a_camera_that_gives_no_frame_is_told_and_stakes_nothing(ride: Callable[..., Ride], tmp_path: Path) -> None:
    one = ride(camera={"source": "v4l2:/dev/video99"})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: "video99" in one.troubles)
    one.wheel.drives = False
    one.until(lambda: "passed" in one.kinds)
    (job,) = every_job(one.book.journal).values()
    assert "no frame" in job.reason
    assert "signed" not in one.kinds


def test_a_trip_on_which_little_was_learnt_stakes_nothing_for_it(
    ride: Callable[..., Ride], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Honest.finish
    monkeypatch.setattr(Honest, "finish", lambda self, task: dataclasses.replace(finish(self, task), steps=1))
    one = ride(market={"min_pay": "4"})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    one.until(lambda: one.frames > 3)
    one.wheel.drives = False
    one.until(lambda: "passed" in one.kinds)
    (job,) = every_job(one.book.journal).values()
    why = "1 of 10 steps were done: the expected net pay of 2.8748000 XLM is below market.min_pay"
    assert job.reason == why
    assert "signed" not in one.kinds


def test_a_ledger_that_is_away_keeps_no_car_from_driving(ride: Callable[..., Ride]) -> None:
    one = ride(ledger={"horizon": "http://127.0.0.1:9", "passphrase": "x", "timeout_s": 1})
    one.wheel.drives = True
    one.until(lambda: "cannot be reached" in one.troubles)
    assert one.kinds == ["opened"]
    one.wheel.drives = False
    one.until(lambda: "passed" in one.kinds)
    (job,) = every_job(one.book.journal).values()
    assert "arrived before there was a round" in job.reason


def test_an_entry_is_signed_once_its_trustline_is_allowed(ride: Callable[..., Ride]) -> None:
    one = ride()
    forbidden = one.town.forbid(one.car.key.public_key)
    one.town.horizon.hand_in(forbidden.envelope)
    one.wheel.drives = True
    one.until(lambda: "has not authorised" in one.troubles)
    one.town.allow(one.car.key.public_key)
    one.until_it_is(JobState.TRAINING)


def test_a_round_with_rotten_content_is_never_trained_on(ride: Callable[..., Ride], tmp_path: Path) -> None:
    """The store gives other bytes than the CID names: whatever they are, they are not used."""
    one = ride()
    blocks = [p for p in (one.town.folder / "content").rglob("*") if p.is_file()]
    kept = {p: p.read_bytes() for p in blocks}
    try:
        for path, data in kept.items():
            path.chmod(0o644)
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else data)
        one.wheel.drives = True
        one.until(lambda: bool(one.troubles))
        assert one.kinds == ["opened"]
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
    one.until_it_is(JobState.TRAINING)
    home = one.vehicle.parts.context.shelf.get(one.town.cid, ROUND_LIMITS)
    assert {p.name for p in home.iterdir()} == {ROUND, WEIGHTS, GRAPH}
