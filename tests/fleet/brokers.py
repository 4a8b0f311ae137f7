"""Brokers to try a link on: in this process, amqtt and Debian's mosquitto as processes, and a wire that can be cut."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.broker import Broker
from agent.fleet.link import PahoLink
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.ports import FleetLink, Message

PATIENCE = 60.0


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What the condition gives once it is true; fails the test when that takes too long."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        pause.wait(0.005)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


class Wire:
    """A TCP connection that can be cut: a port that passes everything on to another one."""

    def __init__(self, target: int) -> None:
        self._target, self._whole, self._sockets = target, True, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole = False
        for end in self._sockets:
            with contextlib.suppress(OSError):  # a reset, no goodbye
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    if not self._whole:
                        raise OSError
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Loopback:
    """The embedded broker."""

    def __init__(self) -> None:
        self._broker = LoopbackBroker()
        self._links: list[LoopbackLink] = []

    def link(
        self, name: str, subscriptions: Sequence[str] = (), will: Message | None = None, **options: Any
    ) -> FleetLink:
        link = LoopbackLink(self._broker, subscriptions, will=will, **options)
        self._links.append(link)
        return link

    def kill(self) -> None:
        self._broker.stop()

    def revive(self) -> None:
        self._broker.start()

    def part(self, _link: FleetLink) -> None:
        self._broker.stop()

    def join(self, _link: FleetLink) -> None:
        self._broker.start()

    def cut(self, link: FleetLink) -> None:
        assert isinstance(link, LoopbackLink)
        self._broker.cut(link)

    def close(self) -> None:
        for link in self._links:
            link.close()


class Process(ABC):
    """A real broker process on loopback, each link over a wire of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._links: list[PahoLink] = []
        self._wires: list[Wire] = []
        self._between: dict[int, Wire] = {}
        self.process = self.start()

    @abstractmethod
    def start(self) -> subprocess.Popen[bytes]:
        """The broker, once it listens on `port`."""

    def link(
        self, name: str, subscriptions: Sequence[str] = (), will: Message | None = None, **options: Any
    ) -> PahoLink:
        wire = self.wire()
        options.setdefault("will_delay", 0)
        link = PahoLink(Broker("127.0.0.1", wire.port), name, subscriptions, will=will, **options)
        self._links.append(link)
        self._between[id(link)] = wire
        return link

    def wire(self) -> Wire:
        """A way to this broker that can be cut."""
        self._wires.append(Wire(self.port))
        return self._wires[-1]

    def part(self, link: FleetLink) -> None:
        self._between[id(link)].cut()

    def join(self, link: FleetLink) -> None:
        self._between[id(link)].mend()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def revive(self) -> None:
        self.process = self.start()

    def cut(self, link: FleetLink) -> None:
        self.part(link)

    def close(self) -> None:
        for link in self._links:
            link.close()
        for wire in self._wires:
            wire.close()
        self.kill()


class Amqtt(Process):
    def start(self) -> subprocess.Popen[bytes]:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.broker", "--port", str(self.port), "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL,
        )
        until(ready.exists)
        assert json.loads(ready.read_text())["port"] == self.port
        return process


class Mosquitto(Process):
    """Keeps sessions and retained messages on disk, as a real one does. `settings`: lines of its configuration."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        self._settings = settings
        super().__init__(folder)

    def start(self) -> subprocess.Popen[bytes]:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n{self._settings}\npersistence true\n"
            f"persistence_location {self.folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            "user root\n"
        )
        process = subprocess.Popen(
            [mosquitto(), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: listening(self.port))
        return process


def mosquitto() -> str:
    path = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    return path
