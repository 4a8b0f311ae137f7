from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.errors import Unavailable
from agent.host.metrics import METRICS, Metrics, serve

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_prometheus_reads_the_figures_on_loopback(host: str) -> None:
    metrics = Metrics()
    metrics.set("link_connected", 1)
    metrics.add("entries_total", outcome="accepted")
    metrics.add("entries_total", 2, outcome="accepted")
    metrics.only("job_state", state="opened")
    metrics.only("job_state", state='tra"ined')
    server = serve(metrics, f"{host}:0")
    try:
        url = f"http://{host}:{server.server_address[1]}"
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
    assert "# TYPE milepost_entries_total counter" in text
    families = list(text_string_to_metric_families(text))
    assert [family.documentation for family in families if family.name == "milepost_link_connected"] == [
        f"{METRICS['link_connected'].meaning} {METRICS['link_connected'].advice}"
    ]
    assert {(sample.name, *sample.labels.values()): sample.value for f in families for sample in f.samples} == {
        ("milepost_link_connected",): 1,
        ("milepost_entries_total", "accepted"): 3,
        ("milepost_job_state", "opened"): 0,
        ("milepost_job_state", 'tra"ined'): 1,
    }


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
