"""The town's daemons: the product's own objects behind shaky doors, opened again from disk after each crash."""

from __future__ import annotations

import contextlib
import random
import re
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stellar_sdk import Keypair

from agent.core.job import State
from agent.core.trip import TripRules
from agent.errors import MilepostError, TryAgain, Unavailable
from agent.fleet.loopback import LoopbackLink
from agent.host.logs import Log
from agent.host.metrics import Metrics
from agent.host.scripted import ScriptedHost
from agent.host.sections import Agent, Config, Content, Market, Mqtt
from agent.initiator.fusing import close as close_round
from agent.initiator.plan import Plan
from agent.initiator.press import Press
from agent.initiator.register import Register
from agent.learn.runner import HERE
from agent.market.bundle import Shelf
from agent.ports import Frame, Limits, Reading
from agent.validator.committee import EVERYTHING, Committee
from agent.validator.daemon import Parts as ValidatorParts
from agent.validator.daemon import Validator
from agent.validator.docket import Docket
from agent.validator.guard import Guard
from agent.validator.measurement import Measurement
from agent.validator.porter import Porter
from agent.validator.reviewing import Reviewing
from agent.validator.rounds import Rounds
from agent.validator.settling import Settling
from agent.validator.vectors import Vectors
from agent.vehicle.daemon import Parts as VehicleParts
from agent.vehicle.daemon import Vehicle
from agent.vehicle.desk import Desk
from agent.vehicle.gauges import Gauges
from agent.vehicle.logbook import JOURNAL, Logbook
from agent.vehicle.watch import Watch
from agent.vehicle.workshop import Workshop
from tools.chaos import lesson
from tools.chaos.doors import Crash, ShakyJournal, ShakyStore, Weather
from tools.chaos.ground import AFTER_S, Ground
from tools.chaos.wire import Line


@dataclass
class Tally:
    """What befell the daemons."""

    died: int = 0
    untyped: int = 0
    crashes: int = 0
    turns: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def death(self, who: str, error: BaseException) -> None:
        self.died += 1
        self.untyped += not isinstance(error, MilepostError)
        self._note(f"{who.rstrip('0123456789')} died", error)

    def guarded(self, who: str, error: Exception) -> None:
        """Something passed a daemon's guard, which took no harm by it."""
        if not isinstance(error, MilepostError):
            self.untyped += 1
            self._note(f"{who.rstrip('0123456789')} passed over", error)

    def _note(self, what: str, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        said = re.sub(r"'[^']*'|[A-Z2-7]{56}|[0-9a-f]{16,}|Qm\w{44}", "…", str(error))[:160]
        self.causes[f"{what}: {type(error).__name__} at {where}: {said}"] += 1


class Daemon(ABC):
    """One daemon's life: `visit` turns it, and opens it again after it went down."""

    def __init__(self, name: str, ground: Ground, key: Keypair, tally: Tally) -> None:
        self.name, self.ground, self.key, self.tally = name, ground, key, tally
        self.weather = Weather(random.Random(ground.dice.random()))
        self.folder = ground.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log_file = (ground.folder / f"{name}.log").open("a")
        self.log = Log("info", self._log_file, journald=False)
        self.is_open = False
        self.down_for = 0
        """Visits until it is started again."""

    @property
    def account(self) -> str:
        return self.key.public_key

    def visit(self, turns: int = 1) -> None:
        if self.down_for:
            self.down_for -= 1
            return
        try:
            if not self.is_open:
                self.open()
                self.is_open = True
            for _ in range(turns):
                self.tally.turns += 1
                self.turn()
        except Crash:
            self.tally.crashes += 1
            self._down(self.ground.dice.randrange(3))
        except Exception as error:
            self.tally.death(self.name, error)
            self._down(2)

    def crash(self) -> None:
        """The power goes between two turns."""
        if self.is_open:
            self.tally.crashes += 1
            self._down(self.ground.dice.randrange(3))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.drop()
        self._log_file.close()

    def _down(self, visits: int) -> None:
        self.weather.fuse, self.down_for = 0, visits
        self.is_open = False
        with contextlib.suppress(Exception):
            self.drop()

    def horizon(self) -> Line:
        return Line(self.ground.net.url, self.ground.net.passphrase, self.ground.exchange, self.weather)

    def shelf(self, keep: int) -> Shelf:
        return Shelf(self.folder / "bundles", ShakyStore(self.ground.store, self.weather), keep=keep)

    def journal(self, name: str) -> ShakyJournal:
        return ShakyJournal(self.folder / name, self.weather)

    @abstractmethod
    def open(self) -> None:
        """From what is on the disk."""

    @abstractmethod
    def turn(self) -> None: ...

    @abstractmethod
    def drop(self) -> None:
        """As a power cut: nothing is said, what is on the disk stays."""


# --- a vehicle


class Inline(Executor):
    """Errands are run at once: one thread, one order of events."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **options))
        except Exception as error:
            done.set_exception(error)
        return done


class Dark:
    """A camera that sees nothing: what is learnt here needs no frames."""

    trouble: str | None = None

    def read(self, timeout: float) -> Frame | None:
        time.sleep(min(timeout, 0.005))
        return None

    def close(self) -> None:
        return


class Wheel:
    """An odometer whose trips last until they were trained on for a moment, or until nobody offered anything."""

    trouble: str | None = None

    def __init__(self, logbook: Logbook, wanted: Callable[[], bool]) -> None:
        self._logbook, self._wanted = logbook, wanted
        self._t = self._metres = 0.0
        self._looks = 0
        self._drives = False

    def poll(self) -> Sequence[Reading]:
        job = self._logbook.driving
        if job is not None:
            self._looks += 1 + 20 * (job.state is State.TRAINING)
            self._drives = self._looks < 100
        elif not self._drives:
            self._looks = 0
            self._drives = len(self._logbook.open) < 2 and self._wanted()
        self._t += 1
        self._metres += 10 * self._drives
        return [Reading(self._t, speed_kmh=36.0 * self._drives, travelled_m=self._metres, ignition=self._drives)]

    def close(self) -> None:
        return


class Car(Daemon):
    def __init__(
        self,
        name: str,
        ground: Ground,
        key: Keypair,
        tally: Tally,
        initiators: Sequence[str],
        making: lesson.Making = lesson.better,
    ) -> None:
        super().__init__(name, ground, key, tally)
        self.drives = True
        self._making = making
        self._config = Config(
            agent=Agent(id=name, state_dir=self.folder, profile="chaos"),
            market=Market(
                initiators=tuple(initiators),
                operator=ground.operator.public_key,
                max_stake="200",
                buy_stake_budget="200",
            ),
            content=Content(),
            mqtt=Mqtt(enabled=False),
        )
        self.vehicle: Vehicle

    def open(self) -> None:
        config, horizon, shelf = self._config, self.horizon(), self.shelf(16)
        self._horizon = horizon
        self._journal = journal = self.journal(JOURNAL)
        logbook = Logbook(journal)
        trainer = lesson.Arithmetic(self._making)
        desk = Desk(
            config=config,
            horizon=horizon,
            shelf=shelf,
            keypair=self.key,
            workshop=Workshop(config, shelf, trainer, self.key, self.folder / "jobs", logbook.last_rounds.get),
            deeds=lambda: logbook.experience,
            last_choice=lambda: logbook.last_choice,
            open_jobs=lambda: list(logbook.open.values()),
        )
        self.vehicle = Vehicle(
            VehicleParts(
                odometer=Wheel(logbook, lambda: self.drives),
                camera=Dark,
                trainer=trainer,
                desk=desk,
                logbook=logbook,
                watch=Watch(config, ScriptedHost(), journal, self.log, dict, None),
                clock=self.ground.clock,
                log=self.log,
                rules=TripRules(trigger_m=20, ignition_off_s=1),
                gauges=Gauges(Metrics()),
                state_dir=self.folder,
            )
        )
        self.vehicle._errands._worker.shutdown()
        self.vehicle._errands._worker = Inline()  # type: ignore[assignment]

    def turn(self) -> None:
        self.vehicle.turn()

    @property
    def is_idle(self) -> bool:
        return self.is_open and not self.vehicle.parts.logbook.open

    def stuck(self, gone: Collection[str]) -> int:
        """Trips that have not ended and have nothing on the ledger that could still end them. `gone`: stakes that
        their issuer took back."""
        if not self.is_open:
            return 1
        stakes = [job.facts.get("stake_id") for job in self.vehicle.parts.logbook.open.values()]
        return sum(stake is None or stake in gone for stake in stakes)

    def drop(self) -> None:
        self._journal.close()
        self._horizon.close()
        self.vehicle._stop_capture()


# --- a validator


class Witness(Guard):
    """The daemon's own guard, which also tells the tally what nobody foresaw."""

    def __init__(self, log: Log, who: str, tally: Tally) -> None:
        super().__init__(log)
        self._who, self._tally = who, tally

    def _say(self, name: str, error: Exception) -> None:
        self._tally.guarded(self._who, error)
        super()._say(name, error)


class AtOnce(Porter):
    """Bundles are fetched when they are asked for: one thread, one order of events."""

    def send(self, cid: str, limits: Limits) -> None:
        if not self.asked(cid):
            self._fetch(cid, limits)


class Bench(Daemon):
    """A validator."""

    def __init__(
        self, name: str, ground: Ground, key: Keypair, tally: Tally, initiators: Sequence[str], number: int
    ) -> None:
        super().__init__(name, ground, key, tally)
        self._initiators, self.number = tuple(initiators), number
        self.private_set = self.folder / "private.safetensors"
        self.mend()
        self.validator: Validator

    def mend(self) -> None:
        self.private_set.write_bytes(lesson.tests(self.number).dump())

    def open(self) -> None:
        horizon, shelf = self.horizon(), self.shelf(64)
        self._journal = journal = self.journal("reviews.sqlite")
        self._horizon = horizon
        self._link = link = LoopbackLink(self.ground.broker, (EVERYTHING,))
        docket = Docket(journal)
        rounds = Rounds(horizon, shelf, self._initiators, self.account)
        guard, clock = Witness(self.log, self.name, self.tally), self.ground.clock
        vectors = Vectors(self.folder / "updates")
        measurement = Measurement(shelf, self.key, self.private_set, vectors, HERE)
        porter = AtOnce(shelf.store, shelf.folder)
        settling = Settling(horizon, shelf, self.key, Committee(link, self.account), docket, rounds, self.log)
        self.validator = Validator(
            ValidatorParts(
                horizon=horizon,
                docket=docket,
                rounds=rounds,
                reviewing=Reviewing(
                    horizon, shelf, docket, rounds, measurement, porter, guard, clock, self.log, settling.forget
                ),
                settling=settling,
                guard=guard,
                link=link,
                clock=clock,
                log=self.log,
                account=self.account,
                state_dir=self.folder,
                poll_s=1.0,
            )
        )

    def turn(self) -> None:
        self.validator.turn()

    def drop(self) -> None:
        self._link.close()
        self._journal.close()
        self._horizon.close()


# --- an initiator


class NotYet(TryAgain):
    """The next ledger"""


class HouseLine(Line):
    """An initiator's line, which may be held back from publishing."""

    holds_back = False

    def hand_in(self, envelope: str) -> None:
        if self.holds_back:
            raise Unavailable(what="Horizon")
        super().hand_in(envelope)


class House(Daemon):
    """An initiator, which sees to its round every few ledgers."""

    def __init__(self, name: str, ground: Ground, key: Keypair, tally: Tally, plan: Plan) -> None:
        super().__init__(name, ground, key, tally)
        self.plan = plan
        self.test_set = self.folder / "global.safetensors"
        self.test_set.write_bytes(lesson.tests(0).dump())
        self._is_founding = True
        self.holds_back = False
        """A round that is stored is not published while this is so."""
        self.press: Press

    @property
    def dlm(self) -> str:
        return str(self.plan.dlm(self.account))

    def open(self) -> None:
        ground = self.ground
        self.line = line = HouseLine(ground.net.url, ground.net.passphrase, ground.exchange, self.weather)
        self._journal = self.journal("rounds.sqlite")
        self.press = Press(
            plan=self.plan,
            horizon=line,
            store=ShakyStore(self.ground.store, self.weather),
            shelf=self.shelf(256),
            keypair=self.key,
            register=Register(self._journal),
            folder=self.folder / "made",
            test_set=self.test_set,
            fee=1000,
            say=lambda said: self.log.event("press", said=said),
            wait=self._wait,
        )

    def _wait(self) -> None:
        """A turn ends where the initiator would wait for a ledger; the next one goes on there."""
        if not self._is_founding:
            raise NotYet
        self.ground.close(AFTER_S)

    def first(self, weights_file: Path, graph_file: Path) -> None:
        """Settlement account and round 0, in calm weather."""
        self.open()
        self.is_open = True
        self.ground.allow(self.press.set_up())
        self.press.first(weights_file, graph_file)
        self._is_founding = False

    def turn(self) -> None:
        self.line.holds_back = self.holds_back
        with contextlib.suppress(MilepostError):
            close_round(self.press)

    @property
    def settlement(self) -> str:
        return self.press.register.settlement or ""

    def drop(self) -> None:
        self._journal.close()
        self.line.close()
