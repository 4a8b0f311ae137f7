"""A trip has begun: which of the offers it will be trained for."""

from __future__ import annotations

from dataclasses import replace

from agent.core.jobs.contribution import Chosen, Job
from agent.errors import TryAgain, Unavailable
from agent.vehicle.context import Events, StepContext
from agent.vehicle.offers import numbers


class NoOffer(TryAgain):
    """There is no training offer that suits this vehicle: {why}"""


def choose(context: StepContext, job: Job) -> Events:
    """Look at every followed initiator's offers and take the best. Without a network it is the last job's choice again,
    where its round is still here: nothing is at stake before `sign`, and that asks the ledger.

    Twice is harmless: it reads, and opens the trustline that another look finds open. Another look may choose
    differently; only what is written down counts.

    Raises NoOffer; NotFunded, NotAuthorised: the vehicle cannot take part yet.
    """
    try:
        account = context.enrolled()
        market = context.survey(account, job)
    except Unavailable:
        last = context.last_choice()
        if last and context.shelf.holds(last.round):
            return [replace(last, offline=True)]
        raise
    winner = market.winner
    offers = [numbers(r.candidate, r.net, r.lost) for r in market.ranked]
    if winner is None:
        raise NoOffer(
            why="; ".join([*(ranked.lost for ranked in market.ranked), *market.passed_over]) or "nobody offers any"
        )
    return [
        Chosen(
            round=winner.cid,
            number=winner.round,
            model=winner.model,
            offer=winner.offer,
            reward=winner.reward,
            stake=winner.stake,
            fee=winner.fee,
            planned=winner.planned,
            offers=tuple(offers),
            passed_over=market.passed_over,
        )
    ]
