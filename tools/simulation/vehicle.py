"""One simulated vehicle: the agent's own steps, outbox, presence and commands; no camera, no trainer, no
disk journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stellar_sdk import Keypair

from agent.compose.vehicle import preferences, resources
from agent.core.ids import CidText
from agent.core.jobs.contribution import Arrived, Job, Opened, Step
from agent.core.jobs.fold import Event, advance, owed
from agent.core.round import Round
from agent.errors import MilepostError
from agent.fleet.broker import Broker
from agent.fleet.commands import Commands
from agent.fleet.event_message import describer
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence, last_will
from agent.fleet.topics import VehicleTopics
from agent.host.clock import SystemClock
from agent.host.sections import Config
from agent.journal import Event as Row
from agent.journal.codec import encode
from agent.learn import weights
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf
from agent.ports import LabelledFrame, Progress, Trained, TrainingTask
from agent.vehicle import steps
from agent.vehicle.background import WAIT_S
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from tools.simulation.asyncio_link import AsyncioLink
from tools.simulation.market import FIRST_WEIGHTS

JOB = "trip-000001"
TEND_S = 2.0
"""A vehicle's loop turns so often, for up to a thousand of them; then one process must take longer."""


class MemoryLog:
    """The journal's contract without its disk: ten thousand files are not what is measured here."""

    def __init__(self) -> None:
        self.written: list[Row] = []
        self._notes: dict[str, str] = {}

    def append(self, job: str, kind: str, data: dict[str, Any], at: float) -> None:
        self.written.append(Row(len(self.written) + 1, job, kind, data, at))

    def events(self, job: str | None = None, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        return iter(self.written[after : None if limit is None else after + limit])

    def cursor(self, name: str) -> int:
        return int(self._notes.get(name, 0))

    def advance(self, name: str, seq: int) -> None:
        self._notes[name] = str(max(seq, self.cursor(name)))

    def note(self, name: str) -> str | None:
        return self._notes.get(name)

    def remember(self, name: str, text: str) -> None:
        self._notes[name] = text


class NoTrainer:
    """Hands over weights a step above the base, or a step below it for a hostile vehicle."""

    def __init__(self, step: float) -> None:
        self._step = step

    def start(self, task: TrainingTask) -> None:
        return

    def feed(self, frame: LabelledFrame) -> None:
        return

    def hold(self, closed: bool) -> None:
        return

    def progress(self) -> Progress:
        return Progress()

    def finish(self, task: TrainingTask) -> Trained:
        task.folder.mkdir(parents=True, exist_ok=True)
        path = task.folder / "trained.safetensors"
        path.write_bytes(weights.dump({name: value + self._step for name, value in FIRST_WEIGHTS.items()}))
        return Trained(path, samples=400, steps=task.round.recipe.steps, held_back=3.2)

    def close(self) -> None:
        return


class UnfitForNothing(ContributionBuilder):
    """A workshop that does not look whether the machine could train: nobody will."""

    def unfit(self, round_: Round, cid: CidText) -> str:
        return ""


@dataclass(frozen=True)
class Fleet:
    """What all vehicles of the simulation share."""

    config: Config
    broker: Broker
    pool: ThreadPoolExecutor
    horizon: Any
    """() -> Horizon, one for each thread."""
    shelf: Any
    """() -> Shelf, one for each thread."""
    folder: Path
    clock: SystemClock


class Vehicle:
    """`live` goes once through a job; `tend` keeps its link and outbox going beside it."""

    def __init__(self, shop: Fleet, name: str, keypair: Keypair, hostile: bool) -> None:
        self.name, self.keypair, self.hostile = name, keypair, hostile
        self._shop = shop
        topics = VehicleTopics("sim", name)
        self.link = AsyncioLink(shop.broker, name, [topics.commands], last_will(topics, name))
        self.log = MemoryLog()
        self.presence = Presence(self.link, topics, name, shop.clock)
        self.outbox = Outbox(self.log, self.link, describer(topics))
        self.commands = Commands(self.link, topics, self.log, shop.clock, {"resend": self.outbox.resend})
        self.job = Job(JOB)
        self.published = 0
        self.trouble = ""
        self.presence.online()

    def tend(self) -> None:
        """Move what is new to the broker and obey what came."""
        self.published += self.outbox.pump()
        state = self.job.state.value
        about = {"account": self.keypair.public_key, "software": "simulation", "profile": "simulation"}
        jobs = [] if self.job.is_over else [{"job": JOB, "state": state}]
        self.presence.state(not self.trouble, [self.trouble] if self.trouble else [], {**about, "jobs": jobs})
        self.commands.obey(self.link.receive())

    async def live(self, road: asyncio.Semaphore) -> None:
        """One trip's job, from its opening, once there is room on the road, to its pay."""
        async with road:
            await self._job()

    async def _job(self) -> None:
        self._record(Opened(1200))
        pause = 0.0
        while (step := owed(self.job)) is not None:
            if step is Step.TRAIN:
                self._record(Arrived("standstill", 3400, 240))
                continue
            events = await self._do(step)
            for event in events:
                self._record(event)
            if events:
                pause = 0.0
            else:
                pause = WAIT_S.after(pause)
                await asyncio.sleep(pause)

    async def _do(self, step: Step) -> list[Event]:
        try:
            events = await asyncio.get_running_loop().run_in_executor(self._shop.pool, self._act, self.job, step)
        except MilepostError as error:
            self.trouble = str(error)
            return []
        self.trouble = ""
        return events

    def _act(self, job: Job, step: Step) -> list[Event]:
        horizon: Horizon = self._shop.horizon()
        shelf: Shelf = self._shop.shelf()
        trainer = NoTrainer(-1.0 if self.hostile else 0.5)
        home = self._shop.folder / self.name / "jobs"
        builder = UnfitForNothing(resources(self._shop.config), shelf, trainer, self.keypair, home)
        wants = preferences(self._shop.config)
        return steps.do(StepContext(wants, horizon, shelf, self.keypair, builder, list), job, step)

    def _record(self, event: Event) -> None:
        self.job = advance(self.job, event)
        self.log.append(JOB, event.kind, encode(event), time.time())
        self.tend()
