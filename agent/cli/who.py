"""`milepost who`: what an account has done in the market, for anybody who can reach a Horizon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say

if TYPE_CHECKING:
    from agent.market.reputation import Reputation, Settlements


@click.command()
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def who(config_path: str | None, account: str, as_json: bool) -> None:
    """What became of ACCOUNT's stakes in the DLC of market.operator, of the entries of models whose pay it locked, and
    how often it signed where it is a validator: a week of it, from the ledger alone."""
    from agent.compose import registry
    from agent.core.address import account as checked
    from agent.host.config import load

    try:
        name = checked(account)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    found, enrolled = registry.who(load(config_path), name)
    if as_json:
        say(json.dumps({**_facts(found), "drawn_until": enrolled.until, "stated": enrolled.stated}))
        return
    say("\n".join(_lines(found)))
    if enrolled.bonds:
        stands = "may be drawn" if enrolled.until > enrolled.now else "is not drawn"
        say(f"registry   {stands}{enrolled.stated and f', says: {enrolled.stated}'}")


def _facts(found: Reputation) -> dict[str, Any]:
    return {
        "account": found.account,
        "since": found.since,
        "vehicle": dict(found.vehicle),
        "accepted_by": dict(found.by),
        "validator": [_settled(each) for each in found.validator],
        "initiator": [_settled(each) for each in found.initiator],
    }


def _settled(each: Settlements) -> dict[str, Any]:
    return {
        "settlement": each.account,
        "settlements": each.settlements,
        "signed": each.signed,
        "outcomes": dict(each.outcomes),
    }


def _lines(found: Reputation) -> list[str]:
    stakes = ", ".join(f"{count} {fate}" for fate, count in found.vehicle.items() if count) or "none"
    lines = [f"account    {found.account}, from ledger {found.since} on", f"stakes     {stakes}"]
    lines += [f"           {count} accepted by {settled_by}" for settled_by, count in found.by.items()]
    lines += [
        f"validator  of {each.account}: signed {each.signed} of {each.settlements} settlements"
        for each in found.validator
    ]
    for each in found.initiator:
        entries = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each.outcomes.items())) or "none"
        lines.append(f"initiator  of {each.account}: entries {entries}")
    return lines
