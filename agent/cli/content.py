"""`milepost content`: content addressing for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say
from agent.core.cid import Cid

if TYPE_CHECKING:
    from agent.content.folder import FolderStore
    from agent.content.nodes import NodeStore

_store = click.option(
    "--store",
    "stores",
    multiple=True,
    help="folder:/path, http://node:5001, gateway:https://host; repeatable. Default: content.stores.",
)
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_cid = click.argument("cid", type=Cid.parse)


@click.group()
def content() -> None:
    """Content addressing: files and folders by the hash of what they hold."""


@content.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    type=click.Choice(["cidv0", "raw", "unixfs-v1-2025"]),
    default="cidv0",
    show_default=True,
    help="As `ipfs add`, as `ipfs add --cid-version=1`, or as Kubo's profile unixfs-v1-2025.",
)
@_json
def cid(path: Path, profile: str, as_json: bool) -> None:
    """Print the root CID of a file or folder. Stores nothing."""
    from agent.content import importer

    root = importer.root(path, importer.PROFILES[profile])
    _print({"cid": str(root), "digest": root.digest.hex()}, str(root), as_json)


@content.command()
@click.argument("path", type=click.Path(path_type=Path))
@_store
@_json
@click.pass_obj
def add(config: str | None, path: Path, stores: tuple[str, ...], as_json: bool) -> None:
    """Store a folder (a file is wrapped in one) and print its CID. Run again, it goes on where it was."""
    with _open(config, stores) as store:
        root = store.put(path)
    _print({"cid": str(root), "digest": root.digest.hex()}, str(root), as_json)


@content.command()
@_cid
@click.argument("into", type=click.Path(path_type=Path))
@_store
@_json
@click.pass_obj
def get(config: str | None, cid: Cid, into: Path, stores: tuple[str, ...], as_json: bool) -> None:
    """Fetch a folder, checking every block; INTO appears when it is whole."""
    from agent.ports import BundleLimits

    with _open(config, stores) as store:
        store.get(cid, into, BundleLimits())
    _print({"cid": str(cid), "folder": str(into)}, f"{cid} is in {into}, every block checked.", as_json)


@content.command()
@_cid
@_store
@_json
@click.pass_obj
def verify(config: str | None, cid: Cid, stores: tuple[str, ...], as_json: bool) -> None:
    """Fetch and check every block of a folder, and keep nothing."""
    from agent.content.walker import drain, walk
    from agent.ports import BundleLimits

    with _open(config, stores) as store:
        found = drain(walk(cid, store.fetch, BundleLimits()))
    facts = {"cid": str(cid), "files": found.files, "bytes": found.size}
    _print(facts, f"{cid} is whole: {found.files} files, {found.size} bytes, every block checked.", as_json)


@content.command()
@_cid
@_store
@_json
@click.pass_obj
def stat(config: str | None, cid: Cid, stores: tuple[str, ...], as_json: bool) -> None:
    """List the files of a folder and their sizes."""
    from agent.content.walker import File, walk
    from agent.ports import BundleLimits

    with _open(config, stores) as store:
        files = [
            (str(step.path), step.size) for step in walk(cid, store.fetch, BundleLimits()) if isinstance(step, File)
        ]
    facts = {"cid": str(cid), "files": [{"name": name, "bytes": size} for name, size in files]}
    text = "\n".join([str(cid), *(f"{size:>14,}  {name}" for name, size in files)])
    _print(facts, text, as_json)


@contextmanager
def _open(config_path: str | None, stores: tuple[str, ...]) -> Iterator[FolderStore | NodeStore]:
    from agent.compose import doors
    from agent.host.config import load

    config = load(config_path, {"content.stores": list(stores), "content.pinning": []} if stores else None)
    store = doors.store(config)
    try:
        yield store
    finally:
        store.close()


def _print(facts: dict[str, Any], text: str, as_json: bool) -> None:
    say(json.dumps(facts) if as_json else text)
