"""`milepost validator`: review contributions and settle them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from agent.cli.terminal import say


@click.group()
def validator() -> None:
    """Review contributions and settle them with the committee."""


@validator.command()
@click.pass_obj
def run(config_path: str | None) -> None:
    """Look for entries, judge, vote, settle. Runs until SIGTERM or Ctrl-C; started again, it goes on. No torch."""
    from agent.cli.daemon import run_until_told
    from agent.compose.validator import validator as compose
    from agent.host.config import load

    config = load(config_path)
    run_until_told(lambda clock: compose(config, clock))


@validator.command(name="set")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The model's plan.toml: how large samples are, and what is learnt.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--start", default=0.0, show_default=True, help="Seconds into the drive.")
@click.option("--end", default=1e9, help="Seconds into the drive. Default: its end.")
@click.option(
    "--count", default=500, show_default=True, type=click.IntRange(1, 100_000), help="Samples, evenly spread."
)
@click.option(
    "--steering", default="steering_deg", show_default=True, help="Column of telemetry.csv to take labels from."
)
def make_set(source: Path, plan: Path, out: Path, start: float, end: float, count: int, steering: str) -> None:
    """Make a test set from a recorded drive (video.mp4, telemetry.csv), or from a folder of labelled pictures where
    the plan's labels are no drive's. Needs OpenCV."""
    from agent import files
    from agent.initiator.plan import read
    from agent.sense.drive import load_drive
    from agent.validator import labelled
    from agent.validator.recording import rows, spread, test_set

    wanted = read(plan)
    if wanted.task.labels == "drive":
        recorded = load_drive(source, steering)
        made = test_set(recorded, spread(rows(recorded, start, end), count), wanted.input)
    else:
        made = labelled.test_set(source, wanted.task, wanted.input, count)
    files.write_whole(out, made.dump())
    say(f"{len(made)} samples written to {out}")


@validator.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def status(config_path: str | None, as_json: bool) -> int:
    """How the validator stands. Exit 3: none runs; 4: it has not spoken for a while."""
    from agent.host.config import load
    from agent.host.status_file import look

    code, standing = look(load(config_path).agent.state_dir)
    say(json.dumps(standing) if as_json else "\n".join(_lines(standing)))
    return code


def _lines(standing: dict[str, Any]) -> list[str]:
    text = [f"validator {standing['account']}  {standing['status']}, {standing['age_s']:.0f} s ago"]
    text += [f"round     {r['model']} number {r['number']}  {r['cid']}" for r in standing["rounds"]]
    text += [f"review    {r['entry'][:16]}  {r['state']}  {r['outcome'] or ''}" for r in standing["reviews"]]
    text += [f"ended     {count} {outcome}" for outcome, count in sorted(standing["ended"].items())]
    if reach := standing.get("history"):
        text.append(f"history   from ledger {reach['elder']} on, by a Horizon that has come to {reach['latest']}")
    return text + [f"!         {trouble}" for trouble in standing["troubles"]]
