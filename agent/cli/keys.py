"""`milepost keys`: make the vehicle's key, show its address."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agent.cli.terminal import say


@click.group()
def keys() -> None:
    """The vehicle's Stellar key."""


_path = click.option("--file", "path", type=click.Path(path_type=Path), help="Key file. agent.key_file if not given.")
_json = click.option("--json", "as_json", is_flag=True, help="As JSON: address and file.")


@keys.command()
@_path
@_json
@click.pass_obj
def generate(config_path: str | None, path: Path | None, as_json: bool) -> None:
    """Make a key (mode 0600) and print its address. Never replaces one (exit 77)."""
    from agent.ledger.keys import generate as make

    path = path or _configured(config_path)
    _print(make(path), path, as_json)


@keys.command()
@_path
@_json
@click.pass_obj
def address(config_path: str | None, path: Path | None, as_json: bool) -> None:
    """Print the key's address, which is the vehicle's account. Never the secret."""
    from agent.ledger.keys import address as read

    path = path or _configured(config_path)
    _print(read(path), path, as_json)


def _configured(config_path: str | None) -> Path:
    from agent.host.config import load

    return load(config_path).agent.key_file


def _print(address: str, path: Path, as_json: bool) -> None:
    say(json.dumps({"address": address, "file": str(path)}) if as_json else address)
