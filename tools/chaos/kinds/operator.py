"""The operator, whose DLC the stakes are. What it takes back is lost to whom it took it from; nobody may hang on it."""

from __future__ import annotations

from stellar_sdk import ClawbackClaimableBalance

from agent.core.ledger import BALANCE_V0
from tools.chaos.ground import Foiled
from tools.chaos.kinds.kind import Cast, Course, Kind, ledgers
from tools.chaos.town import Town


def clawback(town: Town, cast: Cast) -> Course:
    """Takes back two stakes that are being judged: an honest car's, and a liar's."""
    taken = 0
    for makers in (town.honest, {car.account for car in town.lying_cars}):
        for _ in range(20):
            there = [stake for stake in town.books.of(makers) if not stake.ended_by and stake.asset == town.ground.dlc]
            if there:
                town.ground.apply([ClawbackClaimableBalance(BALANCE_V0 + there[-1].id)], town.ground.operator)
                taken += 1
                break
            yield
        yield from ledgers(5)
    if not taken:
        raise Foiled(why="no stake lay there")


KINDS = (Kind("operator clawback", "operator", "takes back stakes that are being judged", clawback),)
