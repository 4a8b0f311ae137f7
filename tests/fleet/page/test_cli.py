"""`milepost fleet serve` and `watch`, as processes, on a real broker."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.fleet import fleet
from agent.errors import Unavailable
from agent.fleet.event_message import describer
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from tests.fleet.brokers import Amqtt, until
from tests.fleet.page.street import honest
from tests.fleet.page.test_server import Browser
from tools.simulation.vehicle import MemoryLog

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Amqtt]:
    broker = Amqtt(tmp_path)
    yield broker
    broker.close()


@pytest.fixture
def config(broker: Amqtt, tmp_path: Path) -> Path:
    path = tmp_path / "milepost.toml"
    path.write_text(
        f'[agent]\nid = "page"\nfleet = "north"\nstate_dir = "{tmp_path}/state"\n'
        f'[content]\nstores = ["folder:{tmp_path}/store"]\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )
    return path


def milepost(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "agent", "--config", str(config), *words]


@pytest.fixture
def car(broker: Amqtt) -> None:
    topics, log = VehicleTopics("north", "car-1"), MemoryLog()
    link = broker.link("car-1")
    until(lambda: link.connected)
    presence = Presence(link, topics, "s", ManualClock())
    presence.online()
    presence.state(False, ["The camera gives black frames."], {"software": "0.1.0"})
    for kind, data in honest(1):
        log.append("trip-000001", kind, data, 1.0)
    outbox = Outbox(log, link, describer(topics))
    outbox.pump()
    until(lambda: outbox.pump() == 0 and not outbox.behind)


@pytest.mark.usefixtures("car")
def test_watch_prints_what_the_broker_knows(config: Path) -> None:
    once = subprocess.run(milepost(config, "fleet", "watch", "--once"), capture_output=True, text=True, check=True)
    assert "not healthy" in once.stdout
    plain = subprocess.run(milepost(config, "fleet", "watch", "--json"), capture_output=True, text=True, check=True)
    assert json.loads(plain.stdout)["counts"]["online"] == 1


def test_serve_makes_a_token_and_shows_the_fleet_until_it_is_told_to_stop(config: Path, tmp_path: Path) -> None:
    command = milepost(config, "fleet", "serve", "--listen", "127.0.0.1:0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
        assert address is not None
        browser = Browser(address[0])
        assert browser.login((tmp_path / "state" / "fleet-token").read_text()) == 303
        until(lambda: json.loads(browser.ask("GET", "/healthz")[2])["broker"])
        assert "Milepost fleet" in browser.ask("GET", "/")[2]
        process.terminate()
        assert process.wait(60) == 0


def test_systemd_hears_that_the_page_serves_that_its_loop_turns_and_that_it_stops(config: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        command = milepost(config, "fleet", "serve", "--listen", "127.0.0.1:0")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            assert systemd.recv(1000).startswith(b"READY=1\n")
            assert [systemd.recv(1000) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            process.terminate()
            assert systemd.recv(1000) == b"STOPPING=1"


def test_without_a_broker_watch_says_so(config: Path, broker: Amqtt, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.kill()
    monkeypatch.setattr("agent.cli.fleet.CONNECT_S", 0.5)
    with pytest.raises(Unavailable, match="cannot be reached"):
        fleet.main(["watch", "--once"], obj=str(config), standalone_mode=False)


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:port"])
def test_an_address_that_is_none_is_a_sentence(config: Path, listen: str) -> None:
    done = subprocess.run(milepost(config, "fleet", "serve", "--listen", listen), capture_output=True, text=True)
    assert done.returncode == 2
    assert "write HOST:PORT" in done.stderr
