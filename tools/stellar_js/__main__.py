"""`python -m tools.stellar_js install`."""

from __future__ import annotations

import sys

import click

from agent.errors import MilepostError
from tools.npm import NoNpm
from tools.stellar_js.install import install as install_sdk


@click.group()
def stellar_js() -> None:
    """Stellar's JavaScript SDK, for tests."""


@stellar_js.command()
def install() -> None:
    """Install it under .cache/, unless it is there. Without npm it says so and tests skip."""
    try:
        click.echo(install_sdk())
    except NoNpm as error:
        click.echo(str(error))


if __name__ == "__main__":
    try:
        stellar_js()
    except MilepostError as error:
        click.echo(f"stellar_js: {error}", err=True)
        sys.exit(error.exit_code)
