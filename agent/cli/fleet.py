"""`milepost fleet`: the page and the terminal table. Both only listen."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from agent.cli.terminal import say
from agent.errors import USAGE, MilepostError, Unavailable

if TYPE_CHECKING:
    from agent.fleet.link import PahoLink
    from agent.host.sections import Config
    from agent.ports import Clock

INBOX = 50_000
"""Messages between two looks: at 1,000 vehicles a reconnection brings 2,000 retained ones at once."""
CONNECT_S = 10.0
LISTEN_S = 1.5
"""How long `--once` waits for what the broker has retained."""


class WebMissing(MilepostError):
    """The fleet page needs Starlette and uvicorn. Install them with `pip install 'milepost[web]'`."""


class NoAddress(MilepostError):
    """{text!r} is no address to listen on: write HOST:PORT."""

    exit_code = USAGE


class NotFree(Unavailable):
    """The address {text} cannot be listened on: {why}. Choose another one with --listen."""


@click.group()
def fleet() -> None:
    """Watch a fleet: page or terminal. What is shown comes over MQTT; nothing can be changed here."""


@fleet.command()
@click.option("--listen", default="127.0.0.1:8484", show_default=True, help="HOST:PORT; port 0: any free one.")
@click.option("--token-file", type=click.Path(path_type=Path), help="The login token. Made if it is not there.")
@click.option("--fleet", "name", help="The fleet to show; '+' for all. Default: agent.fleet.")
@click.option("--client-id", default="fleet-page", show_default=True, help="MQTT client id: the certificate's CN.")
@click.option("--transactions", help="Where a transaction is looked up, with {hash}. Default: the ledger's Horizon.")
@click.pass_obj
def serve(
    config_path: str | None,
    listen: str,
    token_file: Path | None,
    name: str | None,
    client_id: str,
    transactions: str | None,
) -> None:
    """The fleet page: open it in a browser and log in with the token. Put a proxy with TLS in front of it
    before it leaves this machine."""
    try:
        import uvicorn

        from agent.fleet.page.server import FleetPage
    except ImportError as error:
        raise WebMissing() from error
    from agent.compose.doors import store
    from agent.fleet.page.access import Access, load_token, new_token
    from agent.host.clock import SystemClock
    from agent.host.config import load
    from agent.host.systemd import Notifier

    config = load(config_path)
    path = token_file or _token_path(config)
    token = load_token(path) if path.exists() else new_token(path)
    clock = SystemClock()
    with _bound(listen) as listener:
        page = FleetPage(
            _link(config, name, client_id),
            Access(token, clock),
            clock,
            Notifier(),
            store(config),
            transactions or f"{config.ledger.horizon.rstrip('/')}/transactions/{{hash}}",
        )
        settings = uvicorn.Config(page.app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        host, port = listener.getsockname()[:2]
        say(f"The fleet page is at http://{host}:{port}/ and its token in {path}.")
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn says goodbye first, then raises the signal again
            signal.signal(number, _ended)
        uvicorn.Server(settings).run(sockets=[listener])


@fleet.command()
@click.option("--fleet", "name", help="The fleet to show; '+' for all. Default: agent.fleet.")
@click.option("--client-id", help="MQTT client id: the certificate's CN. Default: one of its own.")
@click.option("--once", is_flag=True, help="Print the table once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print everything once, as JSON.")
@click.pass_obj
def watch(config_path: str | None, name: str | None, client_id: str | None, once: bool, as_json: bool) -> None:
    """The fleet as a table in the terminal. Ctrl-C ends it."""
    from agent.fleet.page.dashboard import Dashboard
    from agent.fleet.page.table import table
    from agent.host.clock import SystemClock
    from agent.host.config import load

    clock, dashboard = SystemClock(), Dashboard()
    link = _link(load(config_path), name, client_id or f"fleet-watch-{secrets.token_hex(4)}")

    def listen() -> None:
        for message in link.receive():
            dashboard.take(message, clock.now())
        dashboard.age(clock.now())

    try:
        _connected(link, clock)
        if once or as_json:
            clock.sleep(LISTEN_S)
            listen()
            if as_json:
                say(json.dumps(dashboard.since(0)))
            else:
                from rich.console import Console

                Console().print(table(dashboard, clock.now()))
            return
        from rich.live import Live

        with Live(refresh_per_second=2) as live:
            while True:
                listen()
                live.update(table(dashboard, clock.now(), rows=live.console.height - 3))
                clock.sleep(0.5)
    except KeyboardInterrupt:
        return
    finally:
        link.close()


def _ended(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _link(config: Config, name: str | None, client_id: str) -> PahoLink:
    from agent.compose.doors import broker
    from agent.fleet.link import PahoLink
    from agent.fleet.topics import whole_fleet

    patterns = whole_fleet(name or config.agent.fleet)
    return PahoLink(broker(config.mqtt), client_id, patterns, session_seconds=0, max_waiting=INBOX)


def _connected(link: PahoLink, clock: Clock) -> None:
    """Wait for the broker. Raises Unavailable."""
    patience = clock.monotonic() + CONNECT_S
    while not link.connected:
        if clock.monotonic() > patience:
            raise Unavailable(what=f"The MQTT broker {link.broker}")
        clock.sleep(0.05)


def _token_path(config: Config) -> Path:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(credentials, "fleet-token") if credentials else config.agent.state_dir / "fleet-token"


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise NoAddress(text=listen)
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise NotFree(text=listen, why=error.strerror) from error
