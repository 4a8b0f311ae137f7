"""`python -m tools.bench kills`: worlds are played until so many lives have ended by SIGKILL; what follows is read from
the ledger alone."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import onnxruntime  # noqa: F401  (imported before the forks, so that no life has to)

from agent.core import pay
from agent.core.ids import CidText
from agent.core.money import UNIT, XLM, Stroops
from agent.errors import FAILED, OK
from agent.initiator import pay_trail
from agent.market import pledge
from agent.market.entry import ROUNDED
from agent.market.listing import publication
from tools.bench.kills.world import ROUNDS, World
from tools.chaos.books import Stake
from tools.chaos.town import FEE, REWARD
from tools.localnet.server import Localnet

FRIENDBOT: Stroops = 10_000 * UNIT


@dataclass
class Figures:
    kills: int = 0
    at: dict[str, int] = field(default_factory=dict)
    """Part of the play, side and what was struck → kills."""
    worlds: int = 0
    rounds: int = 0
    pledges: int = 0
    """Balances that initiators locked."""
    entries: int = 0
    accepted: int = 0
    pledges_twice: int = 0
    pledges_lost: int = 0
    """Not locked though asked for, or not followed to their last stroop, or still locked at the end."""
    stakes_twice: int = 0
    stakes_lost: int = 0
    unpaid: int = 0
    """Owners that have less than what was earned for them, less two stroops a closing."""
    paid_twice: int = 0
    """Owners that have more."""
    unaccounted_stroops: int = 0
    """XLM that are neither with anybody nor in a balance nor a fee."""
    hung: int = 0

    @property
    def is_clean(self) -> bool:
        wrong = (self.pledges_twice, self.pledges_lost, self.stakes_twice, self.stakes_lost, self.unpaid)
        return not any((*wrong, self.paid_twice, self.unaccounted_stroops, self.hung))


@click.command()
@click.option("--kills", default=1000, show_default=True, type=click.IntRange(1), help="How many, at least.")
@click.option("--seed", default=1, show_default=True, type=int, help="Of the first world; the others count on.")
@click.option("--seconds", default=0, type=int, help="No new world after so many; 0: no limit.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(kills: int, seed: int, seconds: int, as_json: bool) -> None:
    """Parties that are killed, and what became of every pledge, stake and stroop. Exit code 0: nothing is lost."""
    warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader does with flags
    found, at, began = Figures(), Counter[str](), time.monotonic()
    while found.kills < kills and not (seconds and found.worlds and time.monotonic() - began > seconds):
        with Localnet() as net, tempfile.TemporaryDirectory(prefix="milepost-kills-") as scratch:
            world = World(net, Path(scratch), seed + found.worlds)
            try:
                world.play()
                take(found, world)
            except Exception:
                traceback.print_exc()
                found.hung += 1
            found.kills += world.kills
            found.worlds += 1
            if world.notes.exists():
                at.update(world.notes.read_text().splitlines())
        click.echo(
            f"{time.monotonic() - began:6.1f} s  seed {seed + found.worlds - 1}: {world.kills} kills, {found.kills}"
            f" in all, {found.entries} entries, {found.pledges} pledges",
            err=as_json,
        )
    found.at = dict(sorted(at.items()))
    for where, count in found.at.items():
        click.echo(f"{count:6} {where}", err=as_json)
    for name, figure in asdict(found).items():
        if name != "at":
            click.echo(f"{name:20} {figure:>8}", err=as_json)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    sys.exit(OK if found.is_clean else FAILED)


def take(found: Figures, world: World) -> None:
    """Of a world whose play is over."""
    rounds, stakes = world.rounds, list(world.books.stakes.values())
    locked = [stake for stake in stakes if (stake.asset, stake.maker) == (XLM, world.house.account)]
    asked = 2 * ROUNDS  # each round's, and what was added to it
    found.rounds += len(rounds)
    found.pledges += len(locked)
    found.pledges_twice += max(0, len(locked) - asked)
    found.pledges_lost += max(0, asked - len(locked)) + _not_followed(world, [job.cid for job in rounds])
    entries = [stake for stake in stakes if stake.maker in {car.account for car in world.cars}]
    found.entries += len(entries)
    found.accepted += sum(bool(stake.credit) for stake in entries)
    found.stakes_twice += len(entries) - len({(stake.maker, stake.memo) for stake in entries})
    found.stakes_lost += sum(not _is_back(stake) for stake in entries)
    for car, owner in zip(world.cars, world.owners, strict=True):
        mine = [stake.credit for stake in entries if stake.maker == car.account and stake.credit]
        has, due = world.lumens(owner) - FRIENDBOT, sum(pay.due(credit, REWARD) for credit in mine)
        found.unpaid += has < due - ROUNDED * len(mine)
        found.paid_twice += has > due
    found.unaccounted_stroops += abs(world.unaccounted)


def _not_followed(world: World, cids: list[CidText]) -> int:
    line, faults = world.ground.line, list[str]()
    for cid in cids:
        round_ = world.shelf.round(cid)
        published = publication(line, round_, cid)
        faults += ["it was never published"] if published is None else pay_trail.faults(line, round_, published)
        faults += ["it is still locked"] * (pledge.left(line, round_) > 0)
    for fault in faults:
        click.echo(fault, err=True)
    return len(faults)


def _is_back(stake: Stake) -> bool:
    return stake.ended_by == stake.maker or stake.returned >= stake.amount - FEE
