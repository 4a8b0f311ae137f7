from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from agent.errors import Unavailable
from agent.host.metrics import METRICS, Metrics, serve

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_prometheus_reads_the_figures_on_loopback() -> None:
    metrics = Metrics()
    metrics.set("link_connected", 1)
    metrics.add("entries_total", outcome="accepted")
    metrics.add("entries_total", 2, outcome="accepted")
    metrics.only("job_state", state="opened")
    metrics.only("job_state", state='tra"ined')
    server = serve(metrics, "127.0.0.1:0")
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/")
        caught.value.close()
    finally:
        server.shutdown()
        server.server_close()
    assert "\nmilepost_link_connected 1\n" in text
    assert 'milepost_entries_total{outcome="accepted"} 3' in text
    assert 'milepost_job_state{state="opened"} 0' in text
    assert 'milepost_job_state{state="tra\\"ined"} 1' in text
    assert "# TYPE milepost_entries_total counter" in text


def test_an_address_that_is_taken_is_a_sentence() -> None:
    server = serve(Metrics(), "127.0.0.1:0")
    try:
        with pytest.raises(Unavailable, match="Address already in use"):
            serve(Metrics(), f"127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()


def test_a_figure_that_nobody_explained_cannot_be_set() -> None:
    with pytest.raises(KeyError):
        Metrics().set("mystery", 1)
    with pytest.raises(KeyError, match="takes the labels"):
        Metrics().set("entries_total", 1)


def test_every_metric_is_documented_with_what_to_do() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        assert metric.advice.startswith("If "), name
        assert f"| `milepost_{name}` | {metric.kind} | {metric.meaning} | {metric.advice} |" in text
        assert name.endswith("_total") == (metric.kind == "counter")
