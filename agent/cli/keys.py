"""`milepost keys`: make the vehicle's key, show its address, share its account with the owner."""

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


@keys.command()
@click.option("--owner", required=True, metavar="GOWNER", help="The owner's account: its key gets the last word.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: account, owner, whether that is new.")
@click.pass_obj
def share(config_path: str | None, owner: str, as_json: bool) -> None:
    """Let the owner's key sign for the vehicle's account, and its own no longer change that.

    The vehicle trades and stakes as before. Only the owner's key can change who signs, or merge the account away. It
    takes 0.5 XLM of reserve, and only the owner can undo it. Exit 75: another transaction is on its way.
    """
    from agent.compose.owner import share as make
    from agent.core import address
    from agent.host.config import load

    try:
        key = address.account(owner)
    except ValueError as error:
        raise click.BadParameter(f"{error}, and an M… address has no key of its own.", param_hint="--owner") from None
    account, is_new = make(load(config_path), key)
    if as_json:
        say(json.dumps({"account": account, "owner": key, "new": is_new}))
    else:
        say(f"{account} is {'now' if is_new else 'already'} shared with {key}.")


def _configured(config_path: str | None) -> Path:
    from agent.host.config import load

    return load(config_path).agent.key_file


def _print(address: str, path: Path, as_json: bool) -> None:
    say(json.dumps({"address": address, "file": str(path)}) if as_json else address)
