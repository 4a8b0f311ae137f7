"""`milepost doctor`: every check, as it is made."""

from __future__ import annotations

import json

import click

from agent.cli.terminal import say
from agent.errors import FAILED, OK
from agent.host.doctor import CheckState, healthy

_SIGNS = {CheckState.GOOD: "✓", CheckState.OFFLINE: "~", CheckState.SKIPPED: "-", CheckState.WRONG: "✗"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def doctor(config_path: str | None, as_json: bool) -> int:
    """Check everything the agent needs, within ten seconds. Useful offline. Exit 1: something is wrong."""
    from agent.compose.doctor import findings_of, report

    findings = []
    for finding in findings_of(config_path):
        findings.append(finding)
        if not as_json:
            say(f"{_SIGNS[finding.state]} {finding.name:<9} {finding.sentence}")
    if as_json:
        say(json.dumps(report(findings)))
    return OK if healthy(findings) else FAILED
