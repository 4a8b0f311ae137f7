"""`milepost audit`: whether a round is what its lineage makes of the one before, for anybody who asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import errors
from agent.cli.terminal import say

if TYPE_CHECKING:
    from agent.initiator.audit import Audit

CODES = {"wrong": errors.FAILED, "sealed": errors.NO_PERMISSION}


@click.command()
@click.argument("cid")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Key file of a validator or the initiator, who can open a sealed round's updates.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def audit(config_path: str | None, cid: str, key: Path | None, as_json: bool) -> int:
    """Rebuild the round CID from its lineage, byte for byte, and check every contribution on the ledger.

    Asks ledger and content store, and believes neither round nor initiator. Exit 1: it is not as it says; 69: it
    cannot be known here; 77: its updates are sealed, and only the committee and the initiator can go on.
    """
    from agent.compose import initiator
    from agent.core.cid import Cid
    from agent.host.config import load

    found = initiator.audit(load(config_path), Cid.parse(cid).text, key)
    say(json.dumps(_facts(found)) if as_json else "\n".join(_lines(found)))
    return CODES.get(found.finding, errors.OK)


def _facts(found: Audit) -> dict[str, Any]:
    round_ = found.round
    return {
        "cid": found.cid,
        "model": round_.model,
        "round": round_.number,
        "previous": round_.previous,
        "restores": round_.restores,
        "finding": found.finding,
        "ledger": found.ledger,
        "fused": [
            {
                "cid": part.cid,
                "vehicle": part.vehicle,
                "weight": str(part.weight),
                "settlement": part.settlement,
                "credit": found.credits.get(part.cid),
            }
            for part in round_.lineage
        ],
        "faults": list(found.faults),
    }


def _lines(found: Audit) -> list[str]:
    from agent.core.money import text

    round_ = found.round
    where = f"published in ledger {found.ledger}" if found.ledger else "never published"
    lines = [f"round {round_.number} of {round_.model}", f"bundle      {found.cid}, {where}"]
    lines += [f"before      {round_.previous}"] if round_.previous else []
    lines += [f"restores    {round_.restores}"] if round_.restores else []
    for part in round_.lineage:
        paid = text(found.credits[part.cid]) if part.cid in found.credits else "nothing known"
        lines.append(f"fused       {part.cid} of {part.vehicle}: paid {paid} VLM, weight {part.weight}")
    return [*lines, *(f"wrong       {fault}" for fault in found.faults), _conclusion(found)]


def _conclusion(found: Audit) -> str:
    round_ = found.round
    return {
        "first": "The first round: nothing went into it that could be checked.",
        "rebuilt": f"Rebuilt from {len(round_.lineage)} contributions: weights.safetensors is the same, byte for byte.",
        "restored": f"Its weights and models are those of {round_.restores}, byte for byte.",
        "sealed": "Its contributions were accepted and weigh what the ledger says. Their updates are sealed: only a"
        " member of the committee or the initiator can rebuild it, with --key.",
        "wrong": "It is not what it says it is.",
    }[found.finding]
