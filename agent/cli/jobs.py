"""`milepost jobs`: every trip's job and what became of it, from the journal."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from agent.cli.terminal import say
from agent.errors import USAGE, MilepostError


class NoSuchJob(MilepostError):
    """There is no job {job!r}. `milepost jobs ls` shows all of them."""

    exit_code = USAGE


@click.group()
def jobs() -> None:
    """Every job and what became of it."""


_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@jobs.command()
@_json
@click.pass_obj
def ls(config_path: str | None, as_json: bool) -> None:
    """A line for each job, oldest first."""
    from agent.core.jobs.contribution import Chosen, Closed, Verdict
    from agent.core.jobs.fold import owed
    from agent.vehicle.book import every_job

    rows = []
    for job in every_job(_journal(config_path)).values():
        step, chosen, verdict, closed = owed(job), job.newest(Chosen), job.newest(Verdict), job.newest(Closed)
        rows.append(
            {
                "job": job.id,
                "state": job.state.value,
                "outcome": job.outcome,
                "round": chosen and chosen.round,
                "stake": chosen and job.stake,
                "credit": verdict and verdict.credit,
                "paid": closed and closed.paid,
                "paid_to": closed and closed.paid_to,
                "reason": job.reason or None,
                "owed": step and step.value,
            }
        )
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        say(" ".join(_words(row)))


@jobs.command()
@click.argument("job_id")
@_json
@click.pass_obj
def show(config_path: str | None, job_id: str, as_json: bool) -> None:
    """Every event of one job."""
    events = list(_journal(config_path).events(job_id))
    if not events:
        raise NoSuchJob(job=job_id)
    if as_json:
        say(json.dumps([{"seq": e.seq, "kind": e.kind, "at": e.at, "data": e.data} for e in events]))
        return
    for event in events:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
        facts = " ".join(
            f"{k}={v}" for k, v in event.data.items() if k not in ("envelope", "offers") and v not in ("", None)
        )
        say(f"{event.seq:6d}  {when}  {event.kind:<9} {facts}")


def _journal(config_path: str | None) -> Any:
    from agent.host.config import load
    from agent.journal import JournalReader

    return JournalReader(load(config_path).agent.state_dir / "journal.sqlite")


def _words(row: dict[str, Any]) -> list[str]:
    from agent.core.money import text

    words = [row["job"], f"{row['outcome'] or row['state']:<9}"]
    if row["stake"]:
        words.append(f"stake {text(row['stake'])} DLC")
    if row["credit"]:
        words.append(f"credit {text(row['credit'])} VLM")
    if row["paid"]:
        words.append(f"paid {text(row['paid'])} XLM" + (f" to {row['paid_to'][:8]}…" if row["paid_to"] else ""))
    if row["owed"]:
        words.append(f"next: {row['owed']}")
    if row["reason"]:
        words.append(f"({row['reason']})")
    return words
