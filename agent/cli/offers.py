"""`milepost offers`: what `choose` would see now, with every number and every reason."""

from __future__ import annotations

import json

import click

from agent.cli.terminal import say

PRIVACY = {
    "open": "open: anybody may read them once they are fused",
    "sealed": "sealed: committee, initiator and a round's arbiter alone read them",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def offers(config_path: str | None, as_json: bool) -> None:
    """Look at the followed initiators' offers on the ledger: the best first, and why the others lose."""
    from agent.compose.vehicle import survey
    from agent.core.money import share, text
    from agent.host.config import load
    from agent.vehicle.offers import numbers

    market = survey(load(config_path))
    if as_json:
        rows = [
            {**numbers(r.candidate, r.net, r.lost), "lying": market.lying[r.candidate.cid].facts()}
            for r in market.ranked
        ]
        say(json.dumps({"offers": rows, "passed_over": market.passed_over}))
        return
    for ranked in market.ranked:
        c = ranked.candidate
        say(f"{'* ' if not ranked.lost else '  '}{c.model[:20]} round {c.round}, offer {c.offer}")
        say(f"    reward {text(c.reward)} XLM for full credit, {text(c.budget)} XLM left")
        say(f"    stake {text(c.stake)} DLC, fee {text(c.fee)} DLC, reserve {text(c.reserve)} XLM until it ends")
        say(
            f"    expected: {c.steps} of {c.planned} steps, {text(share(c.reward, c.share))} XLM if accepted,"
            f" net {text(ranked.net)} XLM"
        )
        for warning in market.lying[c.cid].warnings():
            say(f"    {warning}")
        say(f"    updates are {PRIVACY[c.privacy]}")
        say(f"    {'chosen' if not ranked.lost else ranked.lost}")
    for reason in market.passed_over:
        say(f"  {reason}")
    if not market.ranked and not market.passed_over:
        say("No followed initiator offers anything. market.initiators says whom to follow.")
