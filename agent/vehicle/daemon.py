"""The vehicle's daemon: one loop that reads the odometer, writes events down, and sends one step after another.

Three threads: this loop (the journal's only writer), the capture thread (camera to trainer), one step (network and
files). Training is a child process. After a crash the journal is folded and the loop goes on: there is no other state.

The loop sleeps until something happens or is due. Whatever happens in another thread (a reading, a message, the end of
a step) ends the sleep by the clock's `wake`; what is due by time is in `_due`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.core import redact
from agent.core.gates import Work
from agent.core.jobs.contribution import Arrived, Job, JobState, Opened, Passed, Step, Trained
from agent.core.jobs.fold import Event, owed
from agent.core.plain import plain
from agent.core.trip import Doubted, Phase, Tick, TripClosed, TripOpened, TripRules, TripState, advance
from agent.errors import MilepostError, Unavailable
from agent.host import status_file
from agent.host.logs import Log
from agent.host.systemd import Notifier
from agent.journal.codec import encode
from agent.ledger.horizon import LedgerUnavailable
from agent.ports import Camera, Clock, LabelledFrame, Odometer, Trainer, TrainingTask
from agent.sense.album import Album
from agent.sense.alignment import Aligner
from agent.sense.capture import Capture
from agent.vehicle import steps
from agent.vehicle.background import BackgroundSteps, is_waiting
from agent.vehicle.book import TRIP, JobBook
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from agent.vehicle.gauges import Gauges
from agent.vehicle.session import VehicleStatus
from agent.vehicle.settings import Identity
from agent.vehicle.supervisor import Supervisor
from agent.vehicle.view import View, wanted

if TYPE_CHECKING:
    from agent.vehicle.camera_aim import CameraAim

TURN_S = 0.05
"""From one turn to the next, at least, and during a trip at most: twenty looks a second at the odometer are plenty."""
TELL_S = 0.9
"""From one look at gates, status and fleet to the next, at least; but a message is heard at once."""
QUIET_S = 1.2
"""The same at most. Between the two lies the second of a receiver that says where the car stands: one turn for both."""
AGAIN_S = 5.0
"""Pause before a camera or a trainer that could not be started is tried again."""
STATUS_S = 5.0
"""How often the status file says again that nothing changed. Each time it costs a parked car a write to its flash."""
NOTE_S = 15.0
"""How often the mileage is written down while it grows: a power cut costs so many seconds of distance."""
MEASURE_S = 30.0
"""How often the camera's latency and aim are measured while frames come."""
TRANSFERS = (Step.FETCH, Step.STORE)
"""Steps that move bundles, for which a metered link is not good enough."""
COMMITMENTS = (Step.CHOOSE, Step.SIGN)
"""Steps that bind the vehicle to something new: an operator's hold keeps it from them. What it has signed goes on."""


@dataclass
class VehicleParts:
    """What a vehicle is made of. Everything that touches the world comes in here."""

    odometer: Odometer
    views: Mapping[str, View]
    """The cameras by what they look at, the first first. One is on only while a trip is trained on."""
    trainer: Trainer
    identity: Identity
    context: StepContext
    builder: ContributionBuilder
    book: JobBook
    supervisor: Supervisor
    clock: Clock
    log: Log
    rules: TripRules
    gauges: Gauges
    state_dir: Path
    notifier: Notifier = field(default_factory=Notifier)


class Vehicle:
    def __init__(self, parts: VehicleParts) -> None:
        self.parts = parts
        self._log = parts.log
        self._trip: TripState = parts.book.mileage()
        self._background = BackgroundSteps(partial(steps.do, parts.context), parts.clock.wake)
        self._camera: Camera | None = None
        self._aligner: Aligner | None = None
        self._aim: CameraAim | None = None
        self._view = next(iter(parts.views.values()))
        """The camera that was on last."""
        self._capture: Capture | Album | None = None
        self._trouble = ""
        self._logged: Mapping[str, str] = {}
        """The troubles that the log has told of, by what of them stays."""
        self._held = False
        self._learn_at = float("-inf")
        self._readings = 0
        self._told = self._tell_by = self._noted_at = self._measured = float("-inf")
        self._noted = self._trip.mileage
        self._written: tuple[float, Mapping[str, object]] = (float("-inf"), {})
        """The last status file: when, and what it said but for the time."""
        self._turned = parts.clock.monotonic()

    def run(self) -> None:
        """Until the clock is told to stop."""
        clock = self.parts.clock
        self._log.event("vehicle.started", account=self.parts.identity.account, jobs=len(self.parts.book.open))
        self.parts.notifier.ready("waiting for a trip")
        try:
            while not clock.stopped:
                self.turn()
                self._rest()
        finally:
            self.close()

    def turn(self) -> None:
        """Once around. What cannot be written down now (a full disk) is tried again on the next turn."""
        now = self.parts.clock.monotonic()
        try:
            self._drive(now)
            self._learn(now)
            self._measure(now)
            self._work(now)
        except Unavailable as error:
            self._say("writing down", error)
        if now - self._told >= TELL_S or self.parts.supervisor.spoken_to:
            self._told, self._tell_by = now, now + QUIET_S
            self._tell(now)
        self.parts.gauges.turned()
        self._turned = now

    def _rest(self) -> None:
        """Until something happens or is due; what happens all the time, as readings do, is looked at every TURN_S."""
        clock = self.parts.clock
        if (pause := self._due() - self._turned) > TURN_S:
            clock.wait(pause)
        if (early := self._turned + TURN_S - clock.monotonic()) > 0:
            clock.sleep(early)

    def _due(self) -> float:
        """When the next turn is due though nobody wakes the loop. While the car waits for a trip no timer runs that
        could open one."""
        now = self._turned
        if self._trip.mileage.phase is Phase.OPEN:
            return now
        return min(self._tell_by, self._background.due(now), now + self.parts.odometer.pause_s)

    def close(self) -> None:
        self.parts.notifier.stopping()
        self._background.close()
        self._stop_capture()
        self.parts.trainer.close()
        self.parts.odometer.close()
        self.parts.supervisor.close()
        self._write_status(self.status("stopped"), self.parts.clock.monotonic())
        self.parts.book.journal.close()
        self._log.event("vehicle.stopped")

    # --- the car moves

    def _drive(self, now: float) -> None:
        readings = self.parts.odometer.poll()
        self._readings += len(readings)
        for seen in readings or (Tick(now - self._turned),):
            after, events = advance(self.parts.rules, self._trip, seen)
            for event in events:
                if isinstance(event, TripOpened):
                    self._open(event, after)
                elif isinstance(event, TripClosed):
                    self._arrive(event, after)
                elif isinstance(event, Doubted):
                    self._log.warning("odometer.doubted", what=event.doubt.what, metres=round(event.doubt.metres))
            self._trip = after
            if self._aligner is not None and not isinstance(seen, Tick):
                self._aligner.reading(seen)
        if now - self._noted_at >= NOTE_S and self._trip.mileage != self._noted:
            self._noted_at, self._noted = now, self._trip.mileage
            self.parts.book.journal.remember(TRIP, json.dumps(self._trip.stored()))

    def _open(self, event: TripOpened, trip: TripState) -> None:
        if self.parts.book.driving is None:
            self._record(self.parts.book.next_id(), Opened(round(event.distance_m)), trip)
            self._background.hurry()

    def _arrive(self, event: TripClosed, trip: TripState) -> None:
        job = self.parts.book.driving
        if job is None:
            return
        self._stop_capture()
        metres, seconds = round(event.distance_m), round(event.duration_s)
        if job.state is JobState.TRAINING:
            self._record(job.id, Arrived(event.reason.value, metres, seconds), trip)
        else:
            why = f"the car arrived before there was a round to train on ({self._trouble or owed(job)})"
            self._record(job.id, Passed(why, metres, seconds), trip)
        self._background.hurry()

    # --- it learns

    def _learn(self, now: float) -> None:
        job = self.parts.book.driving
        if job is None or job.state is not JobState.TRAINING or self._capture is not None or now < self._learn_at:
            return
        try:
            task = self.parts.builder.task(job)
            self.parts.trainer.start(task)
            self._capture = self._source(task)
        except (MilepostError, OSError) as error:
            self._learn_at = now + AGAIN_S
            self._say("starting to train", error if isinstance(error, MilepostError) else Unavailable(what=str(error)))
            return
        self._held = False
        self._capture.start()
        self._log.event("training.started", job=job.id, round=job.choice.round)

    def _source(self, task: TrainingTask) -> Capture | Album:
        """Labelled frames for the trainer: of the owner's album, or of the camera."""
        feed = self.parts.trainer.feed
        if task.round.task.labels == "folder":
            return self.parts.builder.pictures(task, feed)
        self._view = view = self.parts.views[wanted(task.round.task, self.parts.views)]
        self._camera, self._aligner = view.open(), Aligner(latency_s=view.latency.for_labels_s)
        self._aim = view.aim()
        self._aim.begin()
        return Capture(self._camera, self._aligner, self._sink(task, self._aim))

    def _sink(self, task: TrainingTask, aim: CameraAim) -> Callable[[LabelledFrame], None]:
        """Where a camera's frames go: past the teacher, or past the shadow where a driver's deeds are learnt."""
        feed: Callable[[LabelledFrame], None] = self.parts.trainer.feed
        watch = [aim.see]
        if task.round.task.labels == "teacher":
            feed = self.parts.builder.taught(task.round, task.base, feed)
        else:
            watch.append(self.parts.builder.shadow(task).see)

        def take(frame: LabelledFrame) -> None:
            feed(frame)
            for see in watch:
                see(frame)

        return take

    def _measure(self, now: float) -> None:
        """How late the camera is, which labels follow from then on, and whether it is aimed as it was."""
        if self._aligner is not None and now - self._measured >= MEASURE_S:
            self._measured = now
            self._view.latency.look(self._aligner.meter)
            self._aligner.latency_s = self._view.latency.for_labels_s
            if self._aim is not None:
                self._aim.keep()

    def _stop_capture(self) -> None:
        if self._capture is not None:
            self._capture.stop()
            self._log.event("capture.stopped", frames=self._capture.counts.frames)
        if self._camera is not None:
            self._camera.close()
        self._capture = self._camera = self._aligner = self._aim = None

    # --- its jobs go on

    def _work(self, now: float) -> None:
        outcome = self._background.poll()
        if outcome is not None:
            if outcome.job.id in self.parts.book.open and outcome.job.state is self._state(outcome.job):
                for event in outcome.events:
                    self._record(outcome.job.id, event)
            self._background.done(outcome, now)
            self.parts.gauges.ledger(not isinstance(outcome.trouble, LedgerUnavailable), now)
            if outcome.trouble is not None:
                self._say(f"{outcome.job.id}: {outcome.step.value}", outcome.trouble)
            elif outcome.events:
                self._trouble = ""
        book = self.parts.book
        barred: tuple[Step, ...] = TRANSFERS if self.parts.supervisor.bars(Work.TRANSFERS) else ()
        if "hold" in self.parts.supervisor.closed:
            barred = (*TRANSFERS, *COMMITMENTS)
        self._background.send(book.open.values(), book.in_flight, barred, now)

    def _state(self, job: Job) -> JobState:
        """The job's state now: while a step was out, the car may have arrived."""
        return self.parts.book.open[job.id].state

    def _record(self, job_id: str, event: Event, trip: TripState | None = None) -> None:
        note = {TRIP: json.dumps(trip.stored())} if trip else None
        job = self.parts.book.record(job_id, event, self.parts.clock.now(), note)
        self._tell_by = self._told + TELL_S
        self.parts.gauges.job(event, job.state.value)
        if isinstance(event, Trained) and event.shadow and event.shadow.worse:
            shadow = event.shadow
            self._log.warning("round.worse_here", round=job.choice.round, figure=shadow.newest, last=shadow.last)
        written = encode(event).items()
        shown = {k: v for k, v in written if isinstance(v, (int, str, float)) and k != "envelope"}
        self._log.event(f"job.{event.kind}", job=job_id, **shown)
        if job.is_over:
            self._log.event("job.over", job=job_id, outcome=job.outcome or "passed")

    # --- it tells

    def _tell(self, now: float) -> None:
        parts = self.parts
        parts.supervisor.show(parts.gauges)
        frames = self._capture.counts.frames if self._capture else None
        parts.gauges.car(self._trip, frames, self._readings, now)
        training = self._capture is not None
        before = parts.supervisor.closed
        parts.supervisor.look(self._trip.recent.memory.ignition)
        if parts.supervisor.closed != before:
            parts.clock.wake()  # what they barred may go on
        held = parts.supervisor.bars(Work.TRAINING)
        if training and held is not self._held:
            self._held = held
            parts.trainer.hold(held)
            self._log.event(
                "training.paused" if held else "training.resumed", gates=",".join(sorted(parts.supervisor.closed))
            )
        if parts.context.horizon.closed_at:
            parts.clock.learn(parts.context.horizon.closed_at)
        self._log_seen()
        said = self.status("online")
        try:
            parts.supervisor.talk(said, parts.gauges.metrics.figures())
        except Unavailable as error:
            self._say("fleet", error)
        self._write_status(said, now)
        parts.notifier.watchdog()

    def status(self, word: str) -> VehicleStatus:
        parts, mileage = self.parts, self._trip.mileage
        training = self._capture is not None
        return {
            "status": word,
            "at": parts.clock.now(),
            "pid": os.getpid(),
            "vehicle": parts.identity.vehicle,
            "account": parts.identity.account,
            "owner": parts.context.owner,
            "payout": payout.to if (payout := parts.context.preferences.payout) else None,
            "trip": {"phase": mileage.phase.value, "metres": round(mileage.since_m), "total": round(mileage.total_m)},
            "jobs": [_brief(job) for job in parts.book.open.values()],
            "training": self._progress() if training else None,
            "closed_gates": sorted(parts.supervisor.closed),
            "set_by_fleet": dict(parts.supervisor.followed.taken),
            "software": __version__,
            "profile": parts.identity.profile,
            "latency": self._view.latency.told(),
            "troubles": [
                redact.text(plain(t)) for t in (*self._seen(), self._trouble, *parts.supervisor.troubles) if t
            ],
        }

    def _seen(self) -> list[str]:
        """What is wrong now with the parts that are looked at, in sentences."""
        parts, capture, aim = self.parts, self._capture, self._aim
        others = (parts.clock.trouble, parts.book.journal.trouble, parts.context.horizon.trouble)
        seen = [parts.odometer.trouble, *(str(trouble) for trouble in others if trouble)]
        if capture is not None:
            seen += [capture.trouble, self._view.latency.trouble, aim.trouble if aim else None]
        return [trouble for trouble in seen if trouble]

    def _log_seen(self) -> None:
        """Each trouble once, and its end. What creeps in a sentence, as counts do, is no news."""
        seen = {"".join(sign for sign in why if not sign.isdigit()): why for why in self._seen()}
        for kind in seen.keys() - self._logged.keys():
            self._log.warning("trouble.began", why=seen[kind])
        for kind in self._logged.keys() - seen.keys():
            self._log.event("trouble.ended", why=self._logged[kind])
        self._logged = seen

    def _progress(self) -> Mapping[str, object]:
        progress = self.parts.trainer.progress()
        self.parts.gauges.training(progress)
        return {name: getattr(progress, name) for name in progress.__slots__}

    def _write_status(self, said: VehicleStatus, now: float) -> None:
        news, (at, before) = {**said, "at": 0}, self._written
        if news == before and now - at < STATUS_S:
            return
        try:
            status_file.write(self.parts.state_dir, said)
            self._written = now, news
        except OSError as error:
            self._say("status", Unavailable(what=f"{self.parts.state_dir / status_file.FILE} ({error.strerror})"))

    def _say(self, what: str, error: MilepostError) -> None:
        """Each sentence once, until another takes its place."""
        if str(error) == self._trouble:
            return
        self._trouble = str(error)
        if is_waiting(error):
            self._log.warning("work.waiting", step=what, why=str(error))
        else:
            self._log.error("work.failed", error, step=what)


def _brief(job: Job) -> Mapping[str, object]:
    step = owed(job)
    return {"job": job.id, "state": job.state.value, "owed": step.value if step else None, "outcome": job.outcome}
