"""`milepost validator`: review contributions and settle them."""

from __future__ import annotations

import json
from typing import Any

import click


@click.group()
def validator() -> None:
    """Review contributions and settle them with the committee."""


@validator.command()
@click.pass_obj
def run(config_path: str | None) -> None:
    """Look for entries, judge, vote, settle. Runs until SIGTERM or Ctrl-C; started again, it goes on. Needs no torch."""
    from agent.cli.daemon import run_until_told
    from agent.host.config import load
    from agent.validator.compose import validator as compose

    config = load(config_path)
    run_until_told(lambda clock: compose(config, clock))


@validator.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def status(config_path: str | None, as_json: bool) -> int:
    """How the validator stands. Exit 3: none runs; 4: it has not spoken for a while."""
    from agent.cli.status import look
    from agent.host.config import load

    code, standing = look(load(config_path).agent.state_dir)
    click.echo(json.dumps(standing) if as_json else "\n".join(_lines(standing)))
    return code


def _lines(standing: dict[str, Any]) -> list[str]:
    text = [f"validator {standing['account']}  {standing['status']}, {standing['age_s']:.0f} s ago"]
    text += [f"round     {r['model']} number {r['number']}  {r['cid']}" for r in standing["rounds"]]
    text += [f"review    {r['entry'][:16]}  {r['state']}  {r['outcome'] or ''}" for r in standing["reviews"]]
    text += [f"ended     {count} {outcome}" for outcome, count in sorted(standing["ended"].items())]
    return text + [f"!         {trouble}" for trouble in standing["troubles"]]
