"""`python -m tools.ipfs install` and `… run`."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import click

from agent.errors import MilepostError
from tools.ipfs.install import install as install_node
from tools.ipfs.node import Node
from tools.npm import NoNpm


@click.group()
def ipfs() -> None:
    """A real IPFS node (js-ipfs) for tests and demonstrations."""


@ipfs.command()
def install() -> None:
    """Install it under .cache/, unless it is there. Without npm it says so and tests skip."""
    try:
        click.echo(install_node())
    except NoNpm as error:
        click.echo(str(error))


@ipfs.command()
def run() -> None:
    """Run a fresh node on loopback until interrupted; print its RPC and gateway."""
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder)) as node:
        click.echo(f"{node.api}\n{node.gateway}")
        signal.sigwait([signal.SIGINT, signal.SIGTERM])


if __name__ == "__main__":
    try:
        ipfs()
    except MilepostError as error:
        click.echo(f"ipfs: {error}", err=True)
        sys.exit(error.exit_code)
