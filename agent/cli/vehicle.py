"""`milepost run`: the vehicle daemon."""

from __future__ import annotations

import click


@click.command()
@click.pass_obj
def run(config_path: str | None) -> None:
    """Drive, train, be paid. Runs until SIGTERM or Ctrl-C; started again, it goes on where it was."""
    from agent.cli.daemon import run_until_told
    from agent.compose.doctor import findings_of, report
    from agent.compose.vehicle import vehicle
    from agent.host.config import load

    config = load(config_path)
    run_until_told(lambda clock: vehicle(config, clock, lambda: report(findings_of(config_path))))
