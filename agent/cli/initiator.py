"""`milepost initiator`: publish a model, close a round, see how it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say, say_rows
from agent.errors import FAILED, OK

if TYPE_CHECKING:
    from agent.initiator.book import Job


@click.group()
def initiator() -> None:
    """Publish a model, pay for what makes it better, fuse it into the next round.

    Every verb may be called again after a crash or a lost link: it goes on where it stopped.
    """


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_plan = click.option(
    "--plan", type=_file, required=True, help="plan.toml: what is learnt, who checks it, what is paid."
)
_tests = click.option(
    "--test-set", type=_file, required=True, help="The global test set (safetensors: images, labels)."
)
_json = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


@initiator.command()
@click.argument("model", type=_file)
@_json
def check(model: Path, as_json: bool) -> int:
    """Look at a network (ONNX) of your own: whether it is taken, what it costs on each board, what of its file would
    not be published, and what to change. Exit 1: it is not taken."""
    from agent.initiator.appraisal import appraise

    found = appraise(model)
    say(json.dumps(found.facts()) if as_json else "\n".join(found.lines()))
    return OK if found.taken else FAILED


@initiator.command()
@_plan
@_tests
@click.option("--weights", type=_file, required=True, help="Round 0's weights (safetensors).")
@click.option("--graph", type=_file, required=True, help="The network (ONNX) that the weights fill.")
@click.option("--teacher", type=_file, help="A teacher (ONNX), where the plan's task.labels is teacher.")
@_json
@click.pass_obj
def publish(
    config_path: str | None, plan: Path, test_set: Path, weights: Path, graph: Path, teacher: Path | None, as_json: bool
) -> None:
    """Make the settlement account if there is none, offer XLM for round 0, and store it. Exit 75: the operator has not
    let the settlement account hold DLC yet."""
    from agent.compose.initiator import publisher
    from agent.host.config import load

    with publisher(load(config_path), plan, test_set, _say(as_json)) as made:
        job = made.first(weights, graph, teacher)
    _print({**_round(job), "settlement": made.book.settlement, "issuer": made.book.account.issuer}, as_json)


@initiator.command()
@_plan
@_tests
@click.option(
    "--now", is_flag=True, help="Before all contributions are there that were planned, or its length is over."
)
@click.option("--without", multiple=True, metavar="CID", help="Leave this contribution out; repeatable.")
@_json
@click.pass_obj
def close(
    config_path: str | None, plan: Path, test_set: Path, now: bool, without: tuple[str, ...], as_json: bool
) -> None:
    """Fuse what was accepted; publish the next round if it is better on the global test set. Exit 75: nothing yet."""
    from agent.compose.initiator import publisher
    from agent.host.config import load
    from agent.initiator import fusing

    with publisher(load(config_path), plan, test_set, _say(as_json)) as made:
        fused = fusing.close(made, now, without)
    facts = {
        "round": fused.number,
        "before": str(fused.before.value),
        "after": str(fused.after.value),
        "figure": fused.before.name,
        "unit": fused.before.unit,
        "fused": fused.contributions,
        "next": _round(fused.published) if fused.published else None,
    }
    _print(facts, as_json)


@initiator.command()
@click.argument("cid")
@_plan
@_tests
@_json
@click.pass_obj
def restore(config_path: str | None, cid: str, plan: Path, test_set: Path, as_json: bool) -> None:
    """Publish the weights of an earlier round as the newest one: what came after it has turned out worse."""
    from agent.compose.initiator import publisher
    from agent.core.cid import Cid
    from agent.host.config import load
    from agent.initiator import restoring

    with publisher(load(config_path), plan, test_set, _say(as_json)) as made:
        job = restoring.restore(made, Cid.parse(cid).text)
    _print(_round(job), as_json)


@initiator.command()
@click.option("--add", metavar="XLM", help="Lock so many more for the newest round.")
@_json
@click.pass_obj
def pledge(config_path: str | None, add: str | None, as_json: bool) -> None:
    """The pay that is locked for each round, read off the ledger, and until when."""
    from agent.compose.initiator import submitter
    from agent.core.money import stroops, text
    from agent.host.config import load
    from agent.initiator import paying

    with submitter(load(config_path), _say(as_json)) as (made, shelf):
        if add is not None:
            newest = made.book.open_round
            paying.add(made, newest.cid, shelf.round(newest.cid), stroops(add))
        rows = [
            {"round": each.number, "cid": each.cid, "locked": text(each.locked), "until": each.until}
            for each in paying.pledges(made, shelf)
        ]
    say_rows(rows, as_json)


@initiator.command()
@_json
@click.pass_obj
def reclaim(config_path: str | None, as_json: bool) -> None:
    """Take back what is left of the pay of rounds whose time is over. `close` and `restore` do it too."""
    from agent.compose.initiator import submitter
    from agent.core.money import text
    from agent.host.config import load
    from agent.initiator import paying

    with submitter(load(config_path), _say(as_json)) as (made, _):
        _print({"back": text(paying.reclaim(made))}, as_json)


@initiator.command()
@_json
@click.pass_obj
def status(config_path: str | None, as_json: bool) -> None:
    """The rounds, from the journal."""
    from agent.compose.initiator import JOURNAL
    from agent.host.config import load
    from agent.initiator.book import new_job
    from agent.journal import JournalReader
    from agent.journal.book import every

    rounds = every(JournalReader(load(config_path).agent.state_dir / JOURNAL), new_job).values()
    say_rows([_round(job) for job in rounds], as_json)


def _round(job: Job) -> dict[str, Any]:
    """What was written down of it last, under the names that the journal has."""
    from agent.journal.codec import encode

    names = ("cid", "figure", "fused", "restores", "offer", "ledger", "settlement", "issuer", "amount", "hash")
    written = {name: value for event in job.events.values() for name, value in encode(event).items()}
    return {"job": job.id, "state": job.state.value, **{name: written.get(name) for name in names}}


def _say(as_json: bool) -> Any:
    return lambda line: say(line, err=as_json)


def _print(facts: dict[str, Any], as_json: bool) -> None:
    say(json.dumps(facts) if as_json else "\n".join(f"{k}: {v}" for k, v in facts.items()))
