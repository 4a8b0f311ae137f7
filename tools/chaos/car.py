"""A vehicle of the town: it drives, trains by arithmetic, and does its steps at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from stellar_sdk import Keypair

from agent.compose.vehicle import followed, identity, preferences, resources, rules, views
from agent.core.ids import AccountId
from agent.core.jobs.contribution import JobState, Signed
from agent.host.metrics import Metrics
from agent.host.scripted import ScriptedHost
from agent.host.sections import Agent, Config, Content, Market, Mqtt, Trip
from agent.ledger.keys import account_of
from agent.ports import Frame, Reading
from agent.vehicle.book import JOURNAL, JobBook
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from agent.vehicle.daemon import Vehicle
from agent.vehicle.daemon import VehicleParts as VehicleParts
from agent.vehicle.gauges import Gauges
from agent.vehicle.supervisor import Supervisor
from tools.chaos import lesson
from tools.chaos.daemon import Daemon, Tally
from tools.chaos.ground import Ground


class Inline(Executor):
    """Steps are run at once: one thread, one order of events."""

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
    pause_s = 0.0

    def __init__(self, book: JobBook, wanted: Callable[[], bool]) -> None:
        self._logbook, self._wanted = book, wanted
        self._t = self._metres = 0.0
        self._looks = 0
        self._drives = False

    def poll(self) -> Sequence[Reading]:
        job = self._logbook.driving
        if job is not None:
            self._looks += 1 + 20 * (job.state is JobState.TRAINING)
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
        initiators: Sequence[AccountId],
        making: lesson.Making = lesson.better,
        owner: AccountId | None = None,
    ) -> None:
        """`owner`: whom it pays, where that is another account."""
        super().__init__(name, ground, key, tally)
        self.owner = owner or self.account
        self.drives = True
        self._making = making
        self._config = Config(
            agent=Agent(id=name, state_dir=self.folder, profile="chaos"),
            market=Market(
                initiators=tuple(initiators),
                operator=account_of(ground.operator),
                max_stake="200",
                buy_stake_budget="200",
                payout=owner,
            ),
            content=Content(),
            mqtt=Mqtt(enabled=False),
        )
        self.vehicle: Vehicle

    def open(self) -> None:
        config, horizon, shelf = self._config, self.horizon(), self.shelf(16)
        self._horizon = horizon
        self._journal = journal = self.journal(JOURNAL)
        book = JobBook(journal)
        trainer = lesson.Arithmetic(self._making)
        builder = ContributionBuilder(
            resources(config), shelf, trainer, self.key, self.folder / "jobs", book.last_rounds.get
        )
        context = StepContext(
            preferences=preferences(config),
            horizon=horizon,
            shelf=shelf,
            keypair=self.key,
            builder=builder,
            deeds=lambda: book.experience,
            last_choice=lambda: book.last_choice,
            open_jobs=lambda: list(book.open.values()),
        )
        self.vehicle = Vehicle(
            VehicleParts(
                odometer=Wheel(book, lambda: self.drives),
                views=views(config, lambda source: Dark(), journal),
                trainer=trainer,
                identity=identity(config, self.key),
                context=context,
                builder=builder,
                book=book,
                supervisor=Supervisor(partial(followed, config), ScriptedHost(), journal, self.log, dict, None),
                clock=self.ground.clock,
                log=self.log,
                rules=rules(Trip(trigger_m=20, ignition_off_s=1)),
                gauges=Gauges(Metrics()),
                state_dir=self.folder,
            )
        )
        self.vehicle._background._worker.shutdown()
        self.vehicle._background._worker = Inline()  # type: ignore[assignment]

    def turn(self) -> None:
        self.vehicle.turn()

    @property
    def is_idle(self) -> bool:
        return self.is_open and not self.vehicle.parts.book.open

    def stuck(self, gone: Collection[str]) -> int:
        """Trips that have not ended and have nothing on the ledger that could still end them. `gone`: stakes that
        their issuer took back."""
        if not self.is_open:
            return 1
        entries = [job.newest(Signed) for job in self.vehicle.parts.book.open.values()]
        return sum(entry is None or entry.stake_id in gone for entry in entries)

    def drop(self) -> None:
        self._journal.close()
        self._horizon.close()
        self.vehicle._stop_capture()
