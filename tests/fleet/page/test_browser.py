"""The page in a real browser with a thousand vehicles: quick to paint, never stuck, right on a phone."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.page.gate import Gate
from agent.fleet.page.server import FleetPage
from agent.fleet.topics import whole_fleet
from agent.host.clock import ManualClock, SystemClock
from agent.host.systemd import Notifier
from tests.fleet.brokers import free_port, until
from tests.fleet.page.serving import served
from tests.fleet.page.street import Car, honest, hostile

websockets = pytest.importorskip("websockets.sync.client", reason="the browser is driven over a websocket")

TOKEN = "a-token-of-some-length"
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => window.tasks.push(e.duration)))
  .observe({ type: "longtask", buffered: true });
"""
MEASURE = """JSON.stringify({
  painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  longest: Math.max(0, ...window.tasks),
  rows: document.querySelectorAll("#vehicle-rows tr").length,
  online: document.querySelector("#counts div:nth-child(2) dd")?.textContent,
  sideways: document.documentElement.scrollWidth > innerWidth,
  foreign: performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin)),
  text: document.body.innerText,
})"""


class Chromium:
    """A headless browser, driven over its debugging protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0
        self.complaints: list[Any] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(answer["params"])

    def visit(self, url: str, width: int, height: int, scheme: str = "light") -> None:
        phone = width < 500
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def measure(self) -> dict[str, Any]:
        return json.loads(self.value(MEASURE))


@contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    port = free_port()
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}")
    command = [program, *flags, f"--remote-debugging-port={port}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            pages = until(lambda: _pages(port), seconds=60)
            with websockets.connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Chromium(socket)
        finally:
            process.terminate()
            process.wait()


def _pages(port: int) -> list[Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            return [page for page in json.load(answer) if page["type"] == "page"]
    except OSError:
        return []


def thousand(broker: LoopbackBroker) -> list[Car]:
    luck, clock = random.Random(7), ManualClock(SystemClock().now())
    cars = [Car(broker, clock, f"car-{number:04d}") for number in range(1000)]
    for number, car in enumerate(cars):
        car.live((hostile if number % 17 == 0 else honest)(number)[: luck.randrange(1, 12)])
        car.say(*(["The camera gives black frames."] if number % 41 == 0 else []))
    return cars


@pytest.mark.slow
def test_a_thousand_vehicles_paint_within_a_second_and_never_hold_the_page_up(tmp_path: Path) -> None:
    broker, clock = LoopbackBroker(), SystemClock()
    ears = LoopbackLink(broker, whole_fleet(), max_waiting=100_000)
    cars = thousand(broker)
    gate = Gate(TOKEN, clock)
    page = FleetPage(ears, gate, clock, Notifier({}))
    with served(page) as address, chromium(tmp_path) as browser:
        until(lambda: len(page.board.vehicles) == 1000)
        browser.call("Network.setCookie", name="milepost", value=gate.login(TOKEN), url=address)
        for width, height, scheme in ((1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light")):
            browser.visit(address, width, height, scheme)
            until(lambda: browser.value("document.querySelectorAll('#payment-rows tr').length") or 0)
            for number, car in enumerate(cars[:200]):
                car.clock.sleep(2)
                car.say(f"Trouble {number}.")
            until(lambda: "Trouble 0." in (browser.value("document.body.innerText") or ""))
            seen = browser.measure()
            assert seen["painted"] < 1000
            assert seen["longest"] < 200
            assert seen["online"] == "1000 of 1000"
            assert not seen["sideways"]
            assert seen["foreign"] == []
            for car in cars[:200]:
                car.clock.sleep(2)
                car.say()
        browser.visit(f"{address}/vehicle/north/car-0017", 1280, 900)
        until(lambda: browser.value("document.querySelectorAll('#vehicle-rows tr').length") == 1)
        assert browser.complaints == []
