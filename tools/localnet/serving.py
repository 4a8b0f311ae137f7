"""Running a ledger: its node, its HTTP server and the beat of its closes, until a signal."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from .database import open_database
from .engine import TODAY, Rules, root_keypair
from .errors import UNAVAILABLE, LocalnetError
from .faults import DroppableConnection, Faults
from .horizon.app import application
from .horizon.friendbot import Friendbot
from .node import LedgerStopped, Node
from .replica import Replica
from .view import View

_GRACE_SECONDS = 2
_IDLE_SECONDS = 75  # longer than clients keep a connection between two polls
_WANTED_FILES = 8192


@dataclass(frozen=True, slots=True)
class Settings:
    """state: a directory, or None for a ledger in memory. close_seconds: None closes on demand alone.

    history: how many ledgers are remembered, None for all. replica: by how many ledgers a second address is
    late, None for no second address. surge: how many operations a ledger holds, None for plenty.
    """

    passphrase: str
    host: str = "127.0.0.1"
    port: int = 0
    state: Path | None = None
    close_seconds: float | None = None
    faults: Faults = field(default_factory=Faults)
    submit_seconds: float = 30.0
    clock: int | None = None
    requests_per_hour: int = 3_600_000
    rules: Rules = TODAY
    history: int | None = None
    replica: int | None = None
    replica_port: int = 0
    surge: int | None = None


class _Server(uvicorn.Server):
    """Says when it is ready, and lets go of who waits before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, view: View, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.view = view
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for all servers of the process together, see `_serve`."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """A ledger that could not close must not go on answering as if it had."""
        return await super().on_tick(counter) or self.view.node.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.view.stop()
        await super().shutdown(sockets)


def serve(settings: Settings, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `ready` is called once with url, passphrase and root_seed, with a replica also
    replica_url.

    Raises LedgerInUse, OtherNetwork, LedgerUnreadable, AddressTaken, LedgerStopped.
    """
    _raise_file_limit()
    db = open_database(settings.state, settings.passphrase)
    try:
        stands = settings.clock
        clock = time.time if stands is None else lambda: float(stands)
        node = Node(db, settings.passphrase, settings.rules, clock, keep=settings.history, capacity=settings.surge)
        replica = None if settings.replica is None else Replica(node, settings.replica)
        asyncio.run(_serve(settings, node, replica, ready))
    finally:
        db.close()


class AddressTaken(LocalnetError):
    """Cannot listen on {host} port {port}: {reason}. Choose another --port, or 0 for a free one."""

    exit_code = UNAVAILABLE


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as found:
        raise AddressTaken(host=host, port=port, reason=found.strerror) from found
    # asyncio leaves this to us for a listener it did not open; without it every answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(
    settings: Settings, node: Node, replica: Replica | None, ready: Callable[[dict[str, Any]], None]
) -> None:
    bank = Friendbot(node, settings.close_seconds is None, settings.submit_seconds)
    listener = _listen(settings.host, settings.port)
    facts = {
        "url": _url(listener),
        "passphrase": node.passphrase,
        "root_seed": root_keypair(node.passphrase).secret,
    }
    served: list[tuple[_Server, socket.socket]] = []
    if replica is not None:
        late = _listen(settings.host, settings.replica_port)
        facts["replica_url"] = _url(late)
        served.append((_Server(_config(settings, replica, replica, bank), replica, lambda: None), late))
    served.append((_Server(_config(settings, node, replica, bank), node, lambda: ready(facts)), listener))

    def leave(number: int) -> None:
        """Both ways of being asked to leave are an ordinary end, not an interrupted program."""
        for server, _ in served:
            server.handle_exit(number, None)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, leave, number)
    beat = asyncio.create_task(node.keep_closing(settings.close_seconds)) if settings.close_seconds else None
    await asyncio.gather(*(server.serve([sock]) for server, sock in served))
    if beat:
        beat.cancel()
        with suppress(asyncio.CancelledError, LedgerStopped):
            await beat
    if node.failure:
        raise node.failure


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def _config(settings: Settings, view: View, replica: Replica | None, bank: Friendbot) -> uvicorn.Config:
    return uvicorn.Config(
        application(view, replica, bank, settings.faults, settings.submit_seconds, settings.requests_per_hour),
        http=DroppableConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def write_ready_file(path: Path, facts: dict[str, Any]) -> None:
    """All of it or nothing, for readers who poll."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(facts))
    part.replace(path)


def _raise_file_limit() -> None:
    """A stream is an open file; many systems start with a limit of 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
