"""`milepost camera`: what the network will see, for whoever mounts the camera."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click

from agent.cli.terminal import say
from agent.errors import FAILED, OK

_SIGNS = {True: "✓", False: "✗"}
WIDEST = 120
"""Columns of the picture in a terminal."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--still", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture (PNG), crop drawn in.")
@click.option("--accept", is_flag=True, help="The camera is meant to be aimed as it is now: forget how it was.")
@click.option("--view", help="Which camera, by what it looks at. Default: the first.")
@click.pass_obj
def camera(config_path: str | None, as_json: bool, still: Path | None, accept: bool, view: str | None) -> int:
    """Look through the camera: what the network will see, and how good that is. Exit 1: something is to be mended."""
    from agent.compose.camera import look
    from agent.host.config import load

    config = load(config_path)
    named = view or config.camera.view
    if named not in config.camera.sources:
        raise click.UsageError(f"no camera looks {named}; there is {', '.join(config.camera.sources)}")
    if accept:
        from agent.compose.vehicle import aim

        aim(config, named).path.unlink(missing_ok=True)
        say("The camera's aim is learnt anew on the next drive.")
        return OK
    seen = look(config, named)
    if still is not None:
        from agent.sense.still import png

        png(seen.still, still)
    if as_json:
        say(json.dumps({**seen.facts, "still": None if still is None else str(still)}))
        return OK if seen.is_well else FAILED
    if sys.stdout.isatty():
        from agent.sense.still import blocks

        click.echo(blocks(seen.sample, min(WIDEST, shutil.get_terminal_size().columns)))
    for name, (good, sentence) in seen.words.items():
        say(f"{_SIGNS[good]} {name:<9} {sentence}")
    if still is not None:
        say(f"  The still is {still}. It stays on this machine: nothing sends it anywhere.")
    return OK if seen.is_well else FAILED
