"""The fleet page in a browser: when it is painted, and how long its longest task takes, also four times slower."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import uvicorn

from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.page.access import COOKIE, Access
from agent.fleet.page.server import FleetPage
from agent.fleet.status import EVERY, Presence
from agent.fleet.topics import VehicleTopics, whole_fleet
from agent.host.clock import ManualClock, SystemClock
from agent.host.systemd import Notifier
from tools.chromium import Chromium, chromium

TOKEN = "a-token-for-the-bench"  # noqa: S105
SLOWER = 4
TROUBLED = 200
"""Vehicles that change at once."""
PAINTED = 'performance.getEntriesByName("first-contentful-paint")[0].startTime'
DRAWN = 'document.body?.dataset.drawn || "-0"'


@click.command()
@click.option("--vehicles", default=1000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def main(vehicles: int, as_json: bool) -> None:
    """First paint and the longest task of the page, in ms."""
    broker, clock = LoopbackBroker(), SystemClock()
    ears = LoopbackLink(broker, whole_fleet(), max_waiting=100_000)
    names = [VehicleTopics("north", f"car-{number:05d}") for number in range(vehicles)]
    its_clock = ManualClock(clock.now())
    cars = [Presence(LoopbackLink(broker), name, "s", its_clock) for name in names]
    for car in cars:
        car.online()
        car.state(True, [], {})
    access = Access(TOKEN, clock)
    page = FleetPage(ears, access, clock, Notifier({}))
    server = uvicorn.Server(uvicorn.Config(page.app, log_level="error", timeout_graceful_shutdown=1))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    found: dict[str, Any] = {"vehicles": vehicles}
    try:
        _until(lambda: len(page.dashboard.vehicles) == vehicles)
        with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as browser:
            browser.call("Network.setCookie", name=COOKIE, value=access.login(TOKEN, ""), url=address)
            for name, rate in (("here", 1), (f"{SLOWER} times slower", SLOWER)):
                browser.call("Emulation.setCPUThrottlingRate", rate=rate)
                with browser.traced() as loading:
                    browser.visit(address, 1280, 900)
                    _drawn(browser, page)
                painted = browser.value(PAINTED)
                with browser.traced() as moving:
                    for number in range(3):
                        its_clock.sleep(EVERY)
                        for car in cars[:TROUBLED]:
                            car.state(False, [f"Trouble {number}."], {})
                        time.sleep(1)
                        _drawn(browser, page)
                found[name] = {
                    "painted_ms": round(painted),
                    "loading_ms": round(max(loading)),
                    "moving_ms": round(max(moving)),
                }
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name}: {value}" for name, value in found.items()))


def _drawn(browser: Chromium, page: FleetPage) -> None:
    """Until all that the board knows now is drawn."""
    version = page.dashboard.version
    _until(lambda: int(browser.value(DRAWN).split("-")[1]) >= version)


def _until(true: Callable[[], bool]) -> None:
    patience = time.monotonic() + 60
    while not true():
        if time.monotonic() > patience:
            raise TimeoutError("the page does not get on")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
