"""Where sentences meet a terminal: what others wrote stands in some of them, and a terminal obeys what it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from agent.core.plain import plain


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Lines for people, or one JSON object, without anything that a terminal obeys."""
    click.echo("\n".join(map(plain, text.split("\n"))), err=err, nl=nl)


def say_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, none: str = "") -> None:
    """One line a row, without what is not known; `none`: what is said to people where there is no row."""
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        say("  ".join(f"{name} {value}" for name, value in row.items() if value not in (None, "", [])))
    if none and not rows:
        say(none)
