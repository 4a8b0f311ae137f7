"""The daemon's figures for Prometheus: what each means and what to do when it moves stands in `host.metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.jobs.contribution import Closed, Outcome, Passed
from agent.core.jobs.fold import Event
from agent.core.trip import TripState
from agent.host.metrics import Metrics
from agent.ports import Conditions, Progress


class Gauges:
    """Called from the daemon's loop alone."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._seen: dict[str, tuple[float, float]] = {}

    def car(self, trip: TripState, frames: int | None, readings: int, now: float) -> None:
        """`frames` and `readings`: counted so far; `frames` None while no trip is trained on."""
        self.metrics.set("travelled_metres_total", trip.mileage.total_m)
        self.metrics.set("doubts_total", trip.mileage.doubts)
        self.metrics.set("odometer_age_seconds", self._age("readings", readings, now))
        if frames is not None:
            self.metrics.set("frame_age_seconds", self._age("frames", frames, now))

    def training(self, progress: Progress) -> None:
        self.metrics.set("training_steps_total", progress.steps)
        self.metrics.set("frames_dropped_total", progress.dropped)

    def machine(self, conditions: Conditions, gates: Mapping[str, bool]) -> None:
        for name, closed in gates.items():
            self.metrics.set("gate_closed", closed, gate=name)
        for metric, value in (
            ("temperature_celsius", conditions.temperature_c),
            ("disk_free_bytes", conditions.disk_free_bytes),
        ):
            if value is not None:
                self.metrics.set(metric, value)

    def fleet(self, connected: bool, behind: bool, refused: Mapping[str, int]) -> None:
        """`refused`: input counted so far, by where it came from."""
        self.metrics.set("link_connected", connected)
        self.metrics.set("outbox_waiting", behind)
        for source, count in refused.items():
            self.metrics.set("refused_total", count, source=source)

    def ledger(self, answered: bool, now: float) -> None:
        """After a step that asked the ledger."""
        if answered:
            self._seen["ledger"] = (0.0, now)
        self.metrics.set("ledger_unanswered_seconds", now - self._seen.setdefault("ledger", (0.0, now))[1])

    def job(self, event: Event, state: str) -> None:
        """After an event."""
        self.metrics.only("job_state", state=state)
        if isinstance(event, (Outcome, Passed)):
            self.metrics.add("entries_total", outcome=event.kind)
        if isinstance(event, Closed):
            self.metrics.add("paid_stroops_total", event.paid)

    def turned(self) -> None:
        self.metrics.add("loop_turns_total")

    def _age(self, what: str, count: int, now: float) -> float:
        """Seconds since the count last moved."""
        before, at = self._seen.get(what, (-1.0, now))
        if count != before:
            at = now
        self._seen[what] = (float(count), at)
        return now - at
