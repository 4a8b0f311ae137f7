"""`milepost validator`: review contributions and settle them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say

if TYPE_CHECKING:
    from agent.market.enrolment import Enrolment

_json = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


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
@click.option("--bond", default="100", show_default=True, metavar="DLC", help="What is lost by a proven fault.")
@click.option(
    "--days", default=90, show_default=True, type=click.IntRange(15, 366), help="How long it stays, at least."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    required=True,
    type=click.Choice(["steering", "classification", "detection"]),
    help="What the private set is for; repeatable.",
)
@_json
@click.pass_obj
def enrol(config_path: str | None, bond: str, days: int, kinds: tuple[str, ...], as_json: bool) -> None:
    """Put down a bond in the registry of market.operator: committees are drawn from it. How many samples the private
    set holds is published, and nothing of them. Exit 75: the operator must authorise the account first."""
    from agent.compose import registry
    from agent.core.money import stroops
    from agent.host.config import load

    config = load(config_path)
    found = registry.registrar(config).enrol(stroops(bond), days, registry.samples(config), sorted(set(kinds)))
    say(json.dumps(_enrolment(found)) if as_json else "\n".join(_enrolled(found)))


@validator.command()
@click.pass_obj
def leave(config_path: str | None) -> None:
    """Take the bond back. Exit 75: it is not due yet; whoever does not enrol again is not drawn for its last two
    weeks."""
    from agent.compose import registry
    from agent.core.money import text
    from agent.host.config import load

    say(f"{text(registry.registrar(load(config_path)).leave())} DLC are back")


@validator.command()
@click.option(
    "--registry", "ask", is_flag=True, help="Ask the ledger how it stands in market.operator's registry, too."
)
@_json
@click.pass_obj
def status(config_path: str | None, ask: bool, as_json: bool) -> int:
    """How the validator stands. Exit 3: none runs; 4: it has not spoken for a while."""
    from agent.compose import registry
    from agent.host.config import load
    from agent.host.status_file import look

    config = load(config_path)
    enrolled = registry.look(config) if ask else None
    if enrolled is not None and not as_json:
        say("\n".join(_enrolled(enrolled)))
    code, standing = look(config.agent.state_dir)
    more = {"registry": _enrolment(enrolled)} if enrolled is not None else {}
    say(json.dumps({**standing, **more}) if as_json else "\n".join(_lines(standing)))
    return code


def _enrolment(found: Enrolment) -> dict[str, Any]:
    bonds = [
        {"id": bond.id, "amount": bond.amount, "kinds": bond.kinds, "since": bond.since, "until": bond.until}
        for bond in found.bonds
    ]
    return {"account": found.account, "drawn_until": found.until, "stated": found.stated, "bonds": bonds}


def _enrolled(found: Enrolment) -> list[str]:
    from agent.core.money import text

    stands = f"may be drawn for {found.until - found.now} s" if found.until > found.now else "is not drawn"
    lines = [f"registry  {found.account} {stands}{found.stated and f', says: {found.stated}'}"]
    for bond in found.bonds:
        left = f"back in {bond.until - found.now} s" if bond.until > found.now else "to be taken back"
        lines.append(f"bond      {text(bond.amount)} DLC for {' and '.join(bond.kinds) or 'nothing'}, {left}")
    return lines


def _lines(standing: dict[str, Any]) -> list[str]:
    text = [f"validator {standing['account']}  {standing['status']}, {standing['age_s']:.0f} s ago"]
    text += [f"round     {r['model']} number {r['number']}  {r['cid']}" for r in standing["rounds"]]
    text += [f"review    {r['entry'][:16]}  {r['state']}  {r['outcome'] or ''}" for r in standing["reviews"]]
    text += [f"ended     {count} {outcome}" for outcome, count in sorted(standing["ended"].items())]
    if reach := standing.get("history"):
        text.append(f"history   from ledger {reach['elder']} on, by a Horizon that has come to {reach['latest']}")
    return text + [f"!         {trouble}" for trouble in standing["troubles"]]
