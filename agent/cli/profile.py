"""`milepost profile`: list, show, detect."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from agent.cli.terminal import say


@click.group()
def profile() -> None:
    """Firmware profiles: a board's defaults."""


@profile.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(as_json: bool) -> None:
    """All profiles; the one that fits this board is marked."""
    from agent.host import board, profile

    fitting = profile.detect(board.inspect()).name
    rows = [{"name": p.name, "title": p.title, "fits": p.name == fitting} for p in profile.every()]
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        say(f"{'*' if row['fits'] else ' '} {row['name']:<18} {row['title']}")


@profile.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON: the settings alone.")
def show(name: str, as_json: bool) -> None:
    """Print a profile by name, or check a FILE of your own (a path with a slash or .toml)."""
    from agent.host import profile

    is_file = "/" in name or name.endswith(".toml")
    found = profile.read(Path(name)) if is_file else profile.named(name)
    if as_json:
        say(json.dumps({"name": found.name, "title": found.title, "settings": found.settings}))
    elif found.document:
        say(found.document.path.read_text(encoding="utf-8"), nl=False)


@profile.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON: the board, and the profile that fits.")
def detect(as_json: bool) -> None:
    """What board this is, which profile fits, and why the others do not."""
    from agent.host import board, profile

    found = board.inspect()
    fitting = profile.detect(found)
    if as_json:
        say(json.dumps({"board": dataclasses.asdict(found), "profile": fitting.name}))
        return
    for name, value in dataclasses.asdict(found).items():
        say(f"{name:<12} {', '.join(value) if isinstance(value, tuple) else value or '-'}")
    say(f"{'profile':<12} {fitting.name}: {fitting.title}")
    for other in profile.every():
        if reason := profile.unfit(other.detect, found):
            say(f"  not {other.name}: {reason}")
