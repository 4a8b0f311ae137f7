"""Running a ledger: its node, its HTTP server and the beat of its closes, until a signal."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from agent.errors import UNAVAILABLE, MilepostError
from tools.localnet.database import open_database
from tools.localnet.engine import TODAY, Rules, root_keypair
from tools.localnet.faults import DroppableConnection, Faults
from tools.localnet.horizon.app import application
from tools.localnet.node import LedgerStopped, Node

_GRACE_SECONDS = 2
_IDLE_SECONDS = 75  # longer than clients keep a connection between two polls
_WANTED_FILES = 8192


@dataclass(frozen=True, slots=True)
class Settings:
    """state: a directory, or None for a ledger in memory. close_seconds: None closes on demand alone."""

    passphrase: str
    host: str = "127.0.0.1"
    port: int = 0
    state: Path | None = None
    close_seconds: float | None = None
    faults: Faults = field(default_factory=Faults)
    submit_seconds: float = 30.0
    requests_per_hour: int = 3_600_000
    rules: Rules = TODAY


class _Server(uvicorn.Server):
    """Says when it is ready, and lets go of who waits before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, node: Node, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.node = node
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Both ways of being asked to leave are an ordinary end, not an interrupted program."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def on_tick(self, counter: int) -> bool:
        """A ledger that could not close must not go on answering as if it had."""
        return await super().on_tick(counter) or self.node.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.node.stop()
        await super().shutdown(sockets)


def serve(settings: Settings, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `ready` is called once with url, passphrase and root_seed.

    Raises LedgerInUse, OtherNetwork, LedgerUnreadable, AddressTaken, LedgerStopped.
    """
    _raise_file_limit()
    db = open_database(settings.state, settings.passphrase)
    try:
        node = Node(db, settings.passphrase, settings.rules)
        asyncio.run(_serve(settings, node, _listen(settings), ready))
    finally:
        db.close()


class AddressTaken(MilepostError):
    """Cannot listen on {host} port {port}: {reason}. Choose another --port, or 0 for a free one."""

    exit_code = UNAVAILABLE


def _listen(settings: Settings) -> socket.socket:
    try:
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as found:
        raise AddressTaken(host=settings.host, port=settings.port, reason=found.strerror) from found
    # asyncio leaves this to us for a listener it did not open; without it every answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(
    settings: Settings, node: Node, listener: socket.socket, ready: Callable[[dict[str, Any]], None]
) -> None:
    manual = settings.close_seconds is None
    app = application(node, settings.faults, manual, settings.submit_seconds, settings.requests_per_hour)
    config = uvicorn.Config(
        app,
        http=DroppableConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    host, port = listener.getsockname()[:2]
    facts = {
        "url": f"http://{host}:{port}",
        "passphrase": node.passphrase,
        "root_seed": root_keypair(node.passphrase).secret,
    }
    server = _Server(config, node, lambda: ready(facts))
    beat = asyncio.create_task(node.keep_closing(settings.close_seconds)) if settings.close_seconds else None
    await server.serve([listener])
    if beat:
        beat.cancel()
        with suppress(asyncio.CancelledError, LedgerStopped):
            await beat
    if node.failure:
        raise node.failure


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
