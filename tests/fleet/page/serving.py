"""The page on a free port, in a thread, for one test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from agent.fleet.page.server import FleetPage
from tests.fleet.brokers import until


@contextmanager
def served(page: FleetPage) -> Iterator[str]:
    """The page's address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(page.app, log_level="error", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
