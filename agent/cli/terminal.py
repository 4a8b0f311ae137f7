"""Where sentences meet a terminal: what others wrote stands in some of them, and a terminal obeys what it is shown."""

from __future__ import annotations

import click

from agent.core.plain import plain


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Lines for people, or one JSON object, without anything that a terminal obeys."""
    click.echo("\n".join(map(plain, text.split("\n"))), err=err, nl=nl)
