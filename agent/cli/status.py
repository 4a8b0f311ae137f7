"""`milepost status`: how the daemon and its job stand, from what it wrote last. Light: no ledger, no torch."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from agent.cli.terminal import say
from agent.host.status_file import look


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@click.pass_obj
def status(config_path: str | None, as_json: bool, watch: bool) -> int:
    """How the daemon and its job stand. Exit 3: none runs; 4: it has not spoken for a while."""
    from agent.host.config import load

    folder = load(config_path).agent.state_dir
    while True:
        code, standing = look(folder)
        if watch:
            click.clear()
        say(json.dumps(standing) if as_json else "\n".join(lines(standing)))
        if not watch:
            return code
        time.sleep(1)


def lines(standing: dict[str, Any]) -> list[str]:
    """For people."""
    trip = standing["trip"]
    text = [
        f"{standing['vehicle']}  {standing['status']}, {standing['age_s']:.0f} s ago, pid {standing['pid']}",
        f"account   {standing['account']}",
        *(f"{name:<9} {standing[name]}" for name in ("owner", "payout") if standing.get(name)),
        f"trip      {trip['phase']}, {trip['metres']} m since the last one ended, {trip['total']} m in all",
    ]
    if standing["latency"]["measured"] or standing["latency"]["said_s"]:
        text.append(f"latency   {standing['latency']['sentence']}")
    for job in standing["jobs"]:
        text.append(f"{job['job']}  {job['state']}, next: {job['owed'] or 'nothing'}")
    training = standing["training"]
    if training:
        loss = "-" if training["loss"] is None else f"{training['loss']:.4f}"
        text.append(
            f"training  {training['steps']} steps, {training['samples']} samples, loss {loss}, on {training['device']}"
        )
        if training["trouble"]:
            text.append(f"          {training['trouble']}")
    text += [f"by fleet  {key} = {json.dumps(value)}" for key, value in standing["set_by_fleet"].items()]
    text += [f"!         {trouble}" for trouble in standing["troubles"]]
    return text
