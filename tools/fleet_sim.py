"""`python -m tools.fleet_sim --vehicles N [--json]`: N vehicles that speak the whole protocol without
training.

A localnet, a broker (mosquitto where it is installed, else the development broker) and the fleet page run as
real processes. Each vehicle has its own key, account and MQTT connection and goes through a whole job with
the agent's own steps: offer, round, sealed contribution, entry with stake, verdict, redemption. Then every
event is sent again in one burst, and the broker is killed and started anew. docs/scale.md says what the
figures mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import psutil
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.errors import MilepostError
from agent.fleet.broker import Broker
from agent.host.clock import SystemClock
from agent.host.config import load
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf
from tools.demo.crew import Crew
from tools.simulation.committee import Committee
from tools.simulation.market import Submitter, enrol, open_market
from tools.simulation.vehicle import TEND_S, Fleet, Vehicle
from tools.simulation.watcher import Watcher, dashboard

PASSPHRASE = "Milepost Localnet ; 2026"  # noqa: S105  (a network's name, no secret)
THREADS = 8
HOSTILE_EVERY = 20
AT_A_TIME = 300
"""Vehicles on a job at once; the next trip begins when one is over. All are connected and tell how they are."""
TOKEN = "a-token-for-the-simulation"  # noqa: S105


class BrokerProcess:
    """mosquitto, or the development broker, on a port that stays the same when it is killed and started
    again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        self.name = "mosquitto" if mosquitto else "amqtt"
        self._command = [sys.executable, "-m", "tools.broker", "--port", str(self.port)]
        if mosquitto:
            config = folder / "mosquitto.conf"
            config.write_text(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nuser root\n"
            )
            self._command = [mosquitto, "-c", str(config)]
        self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait()

    def start(self) -> None:
        with (self._folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.02)


def one_each(make: Callable[[], Any]) -> Callable[[], Any]:
    """One of something for each thread that asks."""
    local = threading.local()

    def get() -> Any:
        if not hasattr(local, "it"):
            local.it = make()
        return local.it

    return get


class Simulation:
    def __init__(self, folder: Path, crew: Crew, vehicles: int, limit_s: float) -> None:
        self.folder, self.crew, self.limit_s = folder, crew, limit_s
        self.count = vehicles
        self.figures: dict[str, Any] = {"vehicles": vehicles}
        self.broker = BrokerProcess(folder)

    def say(self, what: str) -> None:
        click.echo(what, err=True)

    def prepare(self) -> None:
        """Processes up, accounts funded, trusted and authorised, a round on offer."""
        began = time.monotonic()
        ready = self.folder / "localnet.json"
        self.crew.start("localnet", "tools.localnet", "--port", "0", "--passphrase", PASSPHRASE,
                        "--rate-limit", "3600000000", "--ready-file", str(ready))  # fmt: skip
        net = self.crew.ready("localnet", ready)
        horizon = one_each(lambda: Horizon(net["url"], PASSPHRASE))
        store = FolderStore(self.folder / "content")
        self.pool = ThreadPoolExecutor(THREADS)
        submitter, root = Submitter(horizon, self.pool), Keypair.from_secret(net["root_seed"])
        self.market = open_market(submitter, root, store, self.folder, self.count)
        keys = [Keypair.random() for _ in range(self.count)]
        enrol(submitter, self.market, root, keys)
        config = self._config(net["url"])
        number = iter(range(10_000))
        shelf = one_each(lambda: Shelf(self.folder / f"shelf-{next(number)}", store, keep=64))
        endpoint, clock = Broker("127.0.0.1", self.broker.port), SystemClock()
        shop = Fleet(load(config), endpoint, self.pool, horizon, shelf, self.folder / "cars", clock)
        self.vehicles = [
            Vehicle(shop, f"car-{n:05d}", key, hostile=n % HOSTILE_EVERY == HOSTILE_EVERY - 1)
            for n, key in enumerate(keys)
        ]
        self.committee = Committee(self.market, shelf)
        self._page(config)
        self.figures |= {"broker": self.broker.name, "enrolled_s": round(time.monotonic() - began, 1)}
        self.say(f"{self.count} vehicles enrolled in {self.figures['enrolled_s']} s")

    def _config(self, url: str) -> Path:
        path = self.folder / "milepost.toml"
        path.write_text(
            f'[agent]\nid = "sim"\nfleet = "sim"\nprofile = "x86-cpu"\nstate_dir = "{self.folder}/state"\n'
            f'[ledger]\nhorizon = "{url}"\npassphrase = "{PASSPHRASE}"\nmax_fee_stroops = 1000\n'
            f'[content]\nstores = ["folder:{self.folder}/content"]\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\n'
            f'[market]\ninitiators = ["{self.market.initiator.public_key}"]\n'
            f'operator = "{self.market.operator.public_key}"\nmax_stake = "100"\nbuy_stake_budget = "50"\n'
        )
        return path

    def _page(self, config: Path) -> None:
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.page_port: int = probe.getsockname()[1]
        self.crew.start("page", "agent", "--config", str(config), "fleet", "serve", "--listen",
                        f"127.0.0.1:{self.page_port}", "--token-file", str(token))  # fmt: skip
        while "fleet page" not in self.crew.log("page").read_text():
            self.crew.check()
            time.sleep(0.1)

    async def play(self) -> None:
        """Everything that is measured."""
        watcher = Watcher("127.0.0.1", self.page_port, TOKEN)
        links = [asyncio.create_task(vehicle.link.run()) for vehicle in self.vehicles]
        tending, watching = asyncio.create_task(self._tend()), asyncio.create_task(watcher.run())
        try:
            began = time.monotonic()
            await self._until(lambda: all(v.link.connected for v in self.vehicles))
            self.figures["connected_s"] = round(time.monotonic() - began, 1)
            await self._jobs()
            await self._until(lambda: watcher.counts.get("vehicles") == self.count)
            await self._burst(watcher)
            await self._judge(watcher)
            self._memory()
            await self._restart()
        finally:
            for vehicle in self.vehicles:
                vehicle.link.close()
            for task in (*links, tending, watching):
                task.cancel()
            await asyncio.gather(*links, tending, watching, return_exceptions=True)

    async def _jobs(self) -> None:
        self.committee.start()
        began = time.monotonic()
        road = asyncio.Semaphore(AT_A_TIME)
        lives = [asyncio.create_task(vehicle.live(road)) for vehicle in self.vehicles]
        told = 0.0
        while not all(life.done() for life in lives) and time.monotonic() - began < self.limit_s:
            await asyncio.sleep(0.5)
            if self.committee.failure is not None:
                raise self.committee.failure
            for life in lives:
                if life.done():
                    life.result()  # an error that no step expects ends the simulation
            if time.monotonic() - told > 10:
                told = time.monotonic()
                states: dict[str, int] = {}
                for vehicle in self.vehicles:
                    states[vehicle.job.state.value] = states.get(vehicle.job.state.value, 0) + 1
                self.say(f"{time.monotonic() - began:5.0f} s  " + "  ".join(f"{n} {s}" for s, n in states.items()))
        seconds = time.monotonic() - began
        self.committee.stop()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        committee = self.committee
        self.figures |= {
            "jobs_s": round(seconds, 1),
            "entered": sum(any(e.kind == "entered" for e in v.log.written) for v in self.vehicles),
            "settled": committee.settled,
            "closed": sum(v.job.state.value == "closed" for v in self.vehicles),
            "settlements": committee.settlements,
            "settlements_refused": committee.refused,
            "reviews_per_second": round(len(committee.review_s) / max(sum(committee.review_s), 1e-9), 1),
        }

    async def _burst(self, watcher: Watcher) -> None:
        """Every event once more, as fast as it goes: the broker's and the page's throughput."""
        await self._until(lambda: not any(v.outbox.behind for v in self.vehicles))
        before = watcher.counts["messages"]
        expected = before + sum(len(v.log.written) for v in self.vehicles)
        began = time.monotonic()
        for vehicle in self.vehicles:
            vehicle.outbox.resend({"after": 0, "until": len(vehicle.log.written)})
            vehicle.tend()
            if time.monotonic() - began > 0.01:
                await asyncio.sleep(0)
        while True:
            now = (await self._counts())["messages"]
            if now >= expected or time.monotonic() - began > 120:
                break
            await asyncio.sleep(0.05)
        self.figures["messages_per_second"] = round((now - before) / (time.monotonic() - began))

    async def _judge(self, watcher: Watcher) -> None:
        """What the page says against what happened."""
        seen = await dashboard("127.0.0.1", self.page_port, TOKEN)
        cards = {card["id"]: card for card in seen["vehicles"]}
        lost = doubled = 0
        for vehicle in self.vehicles:
            outcomes = [e.kind for e in vehicle.log.written if e.kind in ("accepted", "idle", "rejected", "silent")]
            told = cards.get(vehicle.name, {}).get("outcomes", {})
            lost += any(told.get(kind, 0) < outcomes.count(kind) for kind in outcomes)
            doubled += any(count > outcomes.count(kind) for kind, count in told.items())
        delays = sorted(watcher.delays)
        self.figures |= {
            "lost": lost + seen["counts"]["missed"],
            "doubled": doubled + self._stakes_doubled(),
            "events": sum(len(v.log.written) for v in self.vehicles),
            "event_to_page_p50_s": round(delays[len(delays) // 2], 3),
            "event_to_page_p99_s": round(delays[int(len(delays) * 0.99)], 3),
        }

    def _stakes_doubled(self) -> int:
        """Stakes on the ledger, settled or not, beyond one for each vehicle: each drove one trip."""
        stakes = self.committee.by_vehicle.copy()
        stakes.update(stake.sponsor for stake in self.market.horizon().stakes(self.market.settlement))
        return sum(count - 1 for count in stakes.values())

    def _memory(self) -> None:
        pages = [p for p in psutil.Process().children(recursive=True) if "serve" in p.cmdline()]
        page = sum(process.memory_info().rss for process in pages)
        broker = psutil.Process(self.broker.process.pid).memory_info().rss
        self.figures |= {
            "broker_kib_per_vehicle": round(broker / 1024 / self.count, 1),
            "page_kib_per_vehicle": round(page / 1024 / self.count, 1),
        }

    async def _restart(self) -> None:
        """The broker is killed; how long until every vehicle is back and the page has heard all of them
        again."""
        before = (await self._counts())["messages"]
        self.broker.end(signal.SIGKILL)
        await self._until(lambda: not any(v.link.connected for v in self.vehicles))
        self.broker.start()
        began = time.monotonic()
        await self._until(lambda: all(v.link.connected for v in self.vehicles))
        while (await self._counts())["messages"] < before + self.count:  # each says again that it is online
            await asyncio.sleep(0.1)
        self.figures["recovery_after_broker_restart_s"] = round(time.monotonic() - began, 2)

    async def _counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = (await dashboard("127.0.0.1", self.page_port, TOKEN))["counts"]
        return counts

    async def _tend(self) -> None:
        """Each vehicle's loop, a portion at a time."""
        while True:
            for start in range(0, len(self.vehicles), 50):
                for vehicle in self.vehicles[start : start + 50]:
                    vehicle.tend()
                await asyncio.sleep(TEND_S * 50 / min(max(len(self.vehicles), 50), 1000))

    async def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                raise MilepostError(what="the simulated fleet did not get ready within two minutes")
            await asyncio.sleep(0.05)


@click.command()
@click.option("--vehicles", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--limit", default=3600.0, show_default=True, help="Seconds after which jobs that are not over are left.")
@click.option("--json", "as_json", is_flag=True, help="The figures as one JSON object in the last line.")
def main(vehicles: int, limit: float, as_json: bool) -> None:
    """A fleet in one process, on a real ledger server, broker and fleet page."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="milepost-sim-") as scratch, Crew(Path(scratch)) as crew:
        simulation = Simulation(Path(scratch), crew, vehicles, limit)
        try:
            simulation.prepare()
            asyncio.run(simulation.play())
        finally:
            simulation.broker.end()
    figures = simulation.figures
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for name, value in figures.items():
            click.echo(f"{name:34} {value}")
    whole = figures["closed"] == vehicles and not figures["lost"] and not figures["doubled"]
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
