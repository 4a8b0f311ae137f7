"""`python -m tools.chaos`: a town under attack, and the books at the end."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from agent.errors import FAILED, OK
from tools.chaos.kinds.table import KINDS


@click.command()
@click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(10), help="How long it plays.")
@click.option("--ledgers", default=0, type=click.IntRange(0), help="Ledgers of trouble, in place of --seconds.")
@click.option("--seed", default=1, show_default=True, type=int, help="What is drawn.")
@click.option("--only", default="", help="Kinds of trouble, with commas. All of them if not set.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder that keeps states and logs.")
@click.option("--json", "as_json", is_flag=True, help="Say nothing but one line of JSON at the end.")
def chaos(seconds: float, ledgers: int, seed: int, only: str, keep: Path | None, as_json: bool) -> None:
    """Play a town under attack, and say what it cost whom. Exit code 0: nobody honest lost anything."""
    from tools.chaos.play import play
    from tools.chaos.report import sore

    names = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := names - {kind.name for kind in KINDS}:
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(k.name for k in KINDS)}")
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=as_json)

    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise click.BadParameter(f"{keep} is not empty", param_hint="--keep")
    report, playing = play(
        seed,
        seconds=0 if ledgers else seconds,
        ledgers=ledgers,
        say=say,
        kinds=[kind for kind in KINDS if not names or kind.name in names],
        folder=keep,
    )
    tally = playing.town.tally
    say(f"{playing.ledgers} ledgers, {tally.turns} turns, {tally.crashes} crashes")
    for cause, count in tally.causes.most_common():
        say(f"{count} times: {cause}")
    for sentence in sore(playing.town):
        say(sentence)
    for fault in report.faults:
        say(f"not as it should be: {fault}")
    for mistake in playing.mistakes:
        say(f"a mistake of the play's own: {mistake}")
    click.echo(json.dumps(report.as_json()))
    sys.exit(FAILED if report.faults or playing.mistakes else OK)


if __name__ == "__main__":
    chaos()
