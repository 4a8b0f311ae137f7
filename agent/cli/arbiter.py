"""`milepost arbiter`: hear disputes over what nobody judged, decide, pay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say, say_rows

if TYPE_CHECKING:
    from agent.compose.disputes import Before


@click.group()
def arbiter() -> None:
    """Rule on entries that a round's committee never judged, for rounds that name this account as their arbiter."""


_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@arbiter.command()
@click.pass_obj
def run(config_path: str | None) -> None:
    """Hear what is paid for, and rule in each round's window on what was decided. Runs until SIGTERM or Ctrl-C; started
    again, it goes on."""
    from agent.cli.daemon import run_until_told
    from agent.compose.disputes import arbiter as compose
    from agent.host.config import load

    config = load(config_path)
    run_until_told(lambda clock: compose(config, clock))


@arbiter.command()
@_json
@click.pass_obj
def ls(config_path: str | None, as_json: bool) -> None:
    """Every dispute: what is asked, what the votes it holds say, what was decided, until when there is time."""
    from agent.compose.disputes import before
    from agent.host.config import load

    rows = [_facts(each) for each in before(load(config_path))]
    say_rows(rows, as_json, "Nothing was disputed. `milepost arbiter run` hears what is paid for.")


@arbiter.command()
@click.argument("entry")
@click.option(
    "--settle", metavar="CREDIT", help='VLM that its work is worth: "0.8". Paid in XLM, at the round\'s reward.'
)
@click.option("--refund", is_flag=True, help="It is worth nothing.")
@click.option("--reason", default="", help="At most 200 characters; everybody reads it.")
@_json
@click.pass_obj
def rule(config_path: str | None, entry: str, settle: str | None, refund: bool, reason: str, as_json: bool) -> None:
    """Decide on ENTRY, as `milepost arbiter ls` shows it; the beginning of its id does.

    The daemon pays in the round's window, once all its disputes are decided. Until then a decision can be changed.
    """
    from pydantic import ValidationError

    from agent.compose.disputes import decide
    from agent.core.money import stroops, text
    from agent.disputes.decisions import Decision
    from agent.host.config import load

    if refund == (settle is not None):
        raise click.UsageError("Say either --settle CREDIT or --refund.")
    credit = stroops(settle) if settle is not None else 0
    if settle is not None and not credit:
        raise click.BadParameter("a credit is more than 0. To pay nothing, say --refund.", param_hint="--settle")
    try:
        decision = Decision(credit=credit, reason=reason)
    except ValidationError as error:
        raise click.BadParameter(str(error.errors()[0]["msg"])) from None
    name = decide(load(config_path), entry.lower(), decision)
    facts = {"entry": name, "outcome": "refund" if refund else "settle", "credit": text(credit), "reason": reason}
    say(json.dumps(facts) if as_json else "  ".join(f"{key} {value}" for key, value in facts.items() if value))


def _facts(each: Before) -> dict[str, Any]:
    from agent.core.money import text

    heard, decided, votes = each.heard, each.decided, each.votes
    return {
        "state": each.state,
        "asks": heard.asks if heard else None,
        "entry": heard.entry if heard else None,
        "round": heard.round if heard else None,
        "vehicle": heard.vehicle if heard else None,
        "contribution": heard.contribution if heard else None,
        "dispute": each.received.dispute,
        "by": each.received.by,
        "paid": text(each.received.amount),
        "votes": f"{votes.outcome} {text(votes.credit)}" if votes else None,
        "decided": None if decided is None else f"settle {text(decided.credit)}" if decided.credit else "refund",
        "outcome": each.answered.outcome if each.answered else None,
        "credit": text(each.answered.credit) if each.answered else None,
        "ruling": each.answered.ruling if each.answered else None,
        "reason": each.reason or None,
        "until": each.until,
        "back_at": each.back_at,
    }
