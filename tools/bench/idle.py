"""A parked car: what the daemon uses of a core, how often it wakes, and what memory it holds.

Two daemons, each a process of its own, stand beside localnet and a broker with no trip and no open job: to one nothing
is sent, the other's receiver says every second where it stands. Processor time is utime and stime of /proc/PID/stat,
wake-ups are the voluntary context switches of all threads, memory is VmRSS (proc(5)).
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from os import sysconf
from pathlib import Path
from typing import Any

import click

from agent.journal import Journal
from agent.vehicle.book import JOURNAL
from tools.demo import parties
from tools.demo.crew import Crew
from tools.demo.parties import Party
from tools.demo.stage import PASSPHRASE

SETTLE_S = 10.0
"""After the daemons are up, until it is counted."""
PLACE = {"lat": 48.1, "lon": 11.5, "eph": 3.0, "speed": 0.0}


@dataclass(frozen=True)
class Used:
    """What a process used since it began; `waits` by thread."""

    cpu_s: float
    waits: dict[int, int]
    rss_mb: float

    @classmethod
    def by(cls, pid: int) -> Used:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        waits = {}
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                waits[int(thread.name)] = _field(thread / "status", "voluntary_ctxt_switches")
            except FileNotFoundError:  # it has ended
                continue
        ticks = int(stat[11]) + int(stat[12])
        return cls(ticks / sysconf("SC_CLK_TCK"), waits, _field(Path(f"/proc/{pid}/status"), "VmRSS") / 1024)

    def since(self, before: Used, seconds: float) -> dict[str, float]:
        woken = sum(count - before.waits.get(thread, 0) for thread, count in self.waits.items())
        return {
            "cpu_percent": round((self.cpu_s - before.cpu_s) / seconds * 100, 2),
            "wakeups_per_s": round(woken / seconds, 2),
            "rss_mb": round(self.rss_mb, 1),
        }


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="For how long it is counted.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def main(seconds: float, as_json: bool) -> None:
    """Percent of a core, wake-ups a second and MB of a parked vehicle's daemon."""
    with tempfile.TemporaryDirectory(prefix="milepost-idle-") as scratch:
        found = measure(Path(scratch), seconds)
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name}: {value}" for name, value in found.items()))


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Each figure of either car, and the worse of both."""
    with Crew(folder / "logs") as crew, receiver() as port:
        crew.start("localnet", "tools.localnet", "--port", "0", "--passphrase", PASSPHRASE, "--close-every", "5s",
                   "--state", str(folder / "localnet"), "--ready-file", str(folder / "localnet.json"))  # fmt: skip
        crew.start("broker", "tools.broker", "--port", "0", "--ready-file", str(folder / "broker.json"))
        net, broker = crew.ready("localnet", folder / "localnet.json"), crew.ready("broker", folder / "broker.json")
        cars = {"silent": "mqtt:vss", "gps": f"gpsd://127.0.0.1:{port}"}
        pids = {name: _parked(folder, crew, name, source, net, broker) for name, source in cars.items()}
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), {name: Used.by(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        lasted = time.monotonic() - began
        found = {name: Used.by(pid).since(before[name], lasted) for name, pid in pids.items()}
        crew.check()
    worst = {name: max(car[name] for car in found.values()) for name in found["silent"]}
    return {**worst, "seconds": round(lasted), "cars": found}


def _parked(folder: Path, crew: Crew, name: str, source: str, net: dict[str, Any], broker: dict[str, Any]) -> int:
    """The pid of a daemon that is up."""
    car = parties.party(folder, name, "vehicle")
    parties.write_config(car, _tables(folder, car, source, net, broker))
    (car.folder / "state").mkdir()
    Journal(car.folder / "state" / JOURNAL).close()  # no car's first start, which loads what makes a journal
    crew.start(name, "agent", "--config", str(car.config), "run")
    return int(crew.ready(name, car.folder / "state" / "status.json")["pid"])


def _tables(
    folder: Path, car: Party, source: str, net: dict[str, Any], broker: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    return {
        "agent": {
            "id": car.name,
            "fleet": "idle",
            "state_dir": str(car.folder / "state"),
            "key_file": str(car.key_file),
        },
        "ledger": {"horizon": net["url"], "passphrase": PASSPHRASE},
        "content": {"stores": [f"folder:{folder / 'content'}"]},
        "mqtt": {"host": "127.0.0.1", "port": int(broker["port"])},
        "market": {"initiators": [car.account], "operator": car.account},
        "odometer": {"source": source},
        "camera": {"source": "v4l2:/dev/video0"},
        "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
    }


@contextmanager
def receiver() -> Iterator[int]:
    """A gpsd that says once a second where it stands; its port."""
    ended = threading.Event()

    def serve(link: socket.socket) -> None:
        now = datetime.now(timezone.utc)
        with closing(link):
            while not ended.wait(1.0):
                now += timedelta(seconds=1)
                report = {"class": "TPV", "mode": 3, "time": now.isoformat(), **PLACE}
                try:
                    link.sendall(json.dumps(report).encode() + b"\n")
                except OSError:
                    return

    def listen() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def _field(file: Path, name: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


if __name__ == "__main__":
    main()
