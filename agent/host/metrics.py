"""Prometheus metrics on loopback, off by default. Each says what to do when it moves.

The table and the figures are ours, text and server are prometheus_client's. Nothing here knows a position, a
secret or a frame.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.errors import Unavailable

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import Metric as Family


@dataclass(frozen=True, slots=True)
class Metric:
    """What a figure is, and what to do when it moves."""

    kind: Literal["gauge", "counter"]
    meaning: str
    advice: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "loop_turns_total": Metric(
        "counter",
        "Turns of the daemon's loop.",
        "If it stands still, the loop hangs: systemd restarts the agent after its watchdog's limit.",
    ),
    "link_connected": Metric(
        "gauge",
        "1 while the broker is reached.",
        "If it is 0 for an hour while the car is online, run `milepost doctor` and look at the broker check.",
    ),
    "outbox_waiting": Metric(
        "gauge",
        "1 while there are events that the broker has not confirmed.",
        "If it stays 1 while link_connected is 1, the broker refuses: check its ACL for this vehicle.",
    ),
    "odometer_age_seconds": Metric(
        "gauge",
        "Age of the last usable reading.",
        "If it passes 60 while the car drives, check the antenna or the CAN interface.",
    ),
    "travelled_metres_total": Metric(
        "counter",
        "Metres counted since the agent was installed.",
        "If it stands still while the car drives, the odometer's source is wrong: see odometer.source.",
    ),
    "doubts_total": Metric(
        "counter",
        "Readings that were not believed.",
        "If it grows by the minute, the source jumps: check the antenna, or the DBC against the bus.",
    ),
    "frame_age_seconds": Metric(
        "gauge",
        "Age of the last image.",
        "If it passes 10 during a trip, the camera is gone, frozen or black: check cable and camera.source.",
    ),
    "frames_dropped_total": Metric(
        "counter",
        "Frames for which training had no time.",
        "If it grows as fast as frames come, ask the camera for fewer: they are wasted anyway.",
    ),
    "training_steps_total": Metric(
        "counter",
        "Steps trained.",
        "If it stands still during a trip, look at gate_closed.",
    ),
    "gate_closed": Metric(
        "gauge",
        "1 while a gate holds training.",
        "If heat holds it often, improve the cooling; if the battery does, check the wiring to the ignition.",
        ("gate",),
    ),
    "temperature_celsius": Metric(
        "gauge",
        "The hottest thermal zone.",
        "If it stays near gates.pause_above_c, improve the cooling or lower train.threads.",
    ),
    "disk_free_bytes": Metric(
        "gauge",
        "Space left for the state directory.",
        "If it falls under gates.disk_free_mb, training waits: make room, nothing is lost meanwhile.",
    ),
    "ledger_unanswered_seconds": Metric(
        "gauge",
        "Time since Horizon last answered.",
        "If it grows while the car is online, check ledger.horizon; entries wait and are not sent twice.",
    ),
    "job_state": Metric(
        "gauge",
        "1 for the state that a job came to last.",
        "If it stays in `entered` beyond the review window, the validators are silent: the stake comes back.",
        ("state",),
    ),
    "entries_total": Metric(
        "counter",
        "Entries by what became of them.",
        "If `rejected` grows, each one cost a stake: check camera and labels before the next trip.",
        ("outcome",),
    ),
    "paid_stroops_total": Metric(
        "counter",
        "XLM earned, in stroops.",
        "If entries are accepted and it stands still, redeeming fails: see `milepost jobs ls`.",
    ),
    "refused_total": Metric(
        "counter",
        "Input over MQTT that was refused: messages too large or too many, commands, wishes for settings.",
        "If it grows by the minute, somebody sends rubbish: look at the broker's ACL for who may.",
        ("source",),
    ),
}
"""Name without the prefix `milepost_`, and what it means."""

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The figures now. Any thread may set them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Labels], float] = {}

    def set(self, name: str, value: float, **labels: str) -> None:
        """Raises KeyError for a metric that METRICS does not explain."""
        key = _key(name, labels)
        with self._lock:
            self._values[key] = value

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count up."""
        key = _key(name, labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def only(self, name: str, **labels: str) -> None:
        """Set this combination of labels to 1 and the metric's others to 0: for states."""
        key = _key(name, labels)
        with self._lock:
            for other in self._values:
                if other[0] == name:
                    self._values[other] = 0
            self._values[key] = 1

    def figures(self) -> dict[str, float | dict[str, float]]:
        """Every figure now, by name; those of a metric with a label by what the label says."""
        with self._lock:
            values = dict(self._values)
        labelled: dict[str, dict[str, float]] = {}
        for (name, labels), value in values.items():
            for _, word in labels:
                labelled.setdefault(name, {})[word] = value
        return {**{name: value for (name, labels), value in values.items() if not labels}, **labelled}

    def collect(self) -> Iterator[Family]:
        """As prometheus_client asks for them, in the order of METRICS."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        with self._lock:
            values = sorted(self._values.items())
        for name, metric in METRICS.items():
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            made = family(f"milepost_{name}", f"{metric.meaning} {metric.advice}", labels=metric.labels)
            for (found, labels), value in values:
                if found == name:
                    made.add_metric([word for _, word in labels], value)
            if made.samples:
                yield made


def serve(metrics: Metrics, listen: str) -> WSGIServer:
    """Answer GET /metrics on 127.0.0.1:PORT in threads of their own, until `shutdown`. Raises Unavailable."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    host, _, port = listen.rpartition(":")
    try:
        server: WSGIServer
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise Unavailable(what=f"metrics.listen = {listen} ({error.strerror})") from error
    thread.name = "metrics"
    return server


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, Labels]:
    metric = METRICS[name]
    if set(labels) != set(metric.labels):
        raise KeyError(f"{name} takes the labels {metric.labels}, not {tuple(labels)}")
    return name, tuple((label, labels[label]) for label in metric.labels)
