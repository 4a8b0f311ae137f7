"""`milepost dispute`: ask a round's arbiter about an entry that nobody judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say, say_rows

if TYPE_CHECKING:
    from agent.core.jobs.dispute import DisputeJob
    from agent.disputes.asking import Asker


@click.group()
def dispute() -> None:
    """Ask a round's arbiter about an entry that its committee never judged.

    A vehicle asks to be paid, the round's initiator that it is not. Asking costs the arbiter's fee, which only a
    vehicle that is found for gets back.
    """


_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@dispute.command(name="open")
@click.argument("entry")
@click.option("--round", "cid", metavar="CID", help="Its round. Not needed for this vehicle's own jobs.")
@click.option("--reason", required=True, help="Why, at most 200 characters: the arbiter and everybody else reads it.")
@click.option(
    "--vote",
    "votes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file with a validator's signed vote on the entry; repeatable.",
)
@_json
@click.pass_obj
def open_(
    config_path: str | None, entry: str, cid: str | None, reason: str, votes: tuple[Path, ...], as_json: bool
) -> None:
    """Dispute ENTRY: one of this vehicle's jobs, or the id of a stake.

    Once the review window is over and the vehicle has its stake back, and before the round's pledge may be claimed.
    What the arbiter would dismiss is refused here, and nothing is paid. Called again, it goes on where it stopped;
    nothing is paid twice. Exit 75: a transaction of this vehicle is on its way, or nothing came into a ledger.
    """
    from agent.compose.disputes import asker, entry_of, vote
    from agent.core.cid import Cid
    from agent.host.config import load

    if not 0 < len(reason) <= 200:
        raise click.BadParameter("1 to 200 characters.", param_hint="--reason")
    config = load(config_path)
    name, round_cid = entry_of(config, entry, Cid.parse(cid).text if cid else None)
    with asker(config, lambda line: say(line, err=as_json)) as made:
        job = made.ask(round_cid, name, reason, [vote(path) for path in votes])
        say_rows([_facts(made, job)], as_json)


@dispute.command()
@_json
@click.pass_obj
def ls(config_path: str | None, as_json: bool) -> None:
    """What was asked from here, and how it stands on the ledger: waiting, in the window, ruled, or silent."""
    from agent.compose.disputes import asker
    from agent.host.config import load

    with asker(load(config_path), lambda line: say(line, err=True)) as made:
        rows = [_facts(made, job) for job in made.book.jobs]
        say_rows(rows, as_json, "Nothing was disputed from here.")


def _facts(made: Asker, job: DisputeJob) -> dict[str, Any]:
    from agent.core.jobs.dispute import DisputeState, Signed
    from agent.core.money import text

    signed = job.of(Signed)
    facts: dict[str, Any] = {
        "entry": job.id,
        "round": signed.round,
        "dispute": signed.dispute,
        "state": job.state.value,
    }
    if job.state is not DisputeState.PAID:
        return facts
    answer = made.answer(job)
    facts |= {
        "fee": text(answer.round.arbiter.fee) if answer.round.arbiter else None,
        "arbiter": answer.round.arbiter.account if answer.round.arbiter else None,
        "state": answer.word,
        "until": answer.round.pledge.until if answer.round.pledge else None,
        "back_at": answer.round.back_at,
    }
    if answer.found is not None:
        facts |= {
            "outcome": answer.found.outcome,
            "credit": text(answer.found.credit),
            "paid": text(answer.paid),
            "reason": answer.found.reason,
            "ruling": answer.ruling,
            "transaction": answer.transaction,
        }
    return facts
