"""Who judges the next round: the plan's committee, or substitutes for those of it that are silent."""

from __future__ import annotations

from itertools import islice

from agent.core.ids import AccountId, CidText
from agent.core.round import Round
from agent.core.silence import replaced, silent
from agent.errors import BAD_CONFIG, Refused, TryAgain
from agent.initiator.plan import Plan
from agent.ledger.horizon import Horizon
from agent.market import records, round_accounts
from agent.market.bundle import Shelf

MOST_READ = 1000
"""Records that are read back for who is silent."""


class CommitteeRefused(Refused):
    """The plan's committee cannot take over from that of round {number}: {why}. A round for it would be dead. Put
    {committee} back into the plan, or others who can. Nothing was stored."""

    exit_code = BAD_CONFIG


class NotHandedOver(TryAgain):
    """The committee of round {number} has not taken over yet: the one before settles what is open first, for a review
    window at most. Run the same command again later: nothing was stored."""


def heirs(
    horizon: Horizon, shelf: Shelf, plan: Plan, committee: tuple[AccountId, ...], before: Round
) -> tuple[AccountId, ...]:
    """The committee of the round after `before`, whose own hands over to it. `committee`: as the plan names it, or as
    it was drawn. Raises CommitteeRefused, NotHandedOver, Unavailable."""
    signers = horizon.account(before.settlement)
    if signers is None or round_accounts.governed(signers, before.model_copy(update={"pledge": None})):
        raise NotHandedOver(number=before.number)
    found = _without_silent(shelf, plan, committee, records.newest(signers))
    if set(found) == set(before.committee):
        return before.committee
    why = round_accounts.unreadable(before.model_copy(update={"committee": found}))
    missing = [heir for heir in found if horizon.account(heir) is None] if not why else []
    if why or missing:
        why = why or f"{missing[0]} is not on the ledger"
        raise CommitteeRefused(number=before.number, why=why, committee=", ".join(before.committee))
    return found


def _without_silent(
    shelf: Shelf, plan: Plan, committee: tuple[AccountId, ...], newest: CidText | None
) -> tuple[AccountId, ...]:
    """With the next substitute in the place of each that missed `turns` settlements in a row. Nobody takes the place of
    one that was drawn."""
    if not plan.substitutes or plan.drawn is not None:
        return committee
    settled = [record for _, record in islice(records.chain(shelf, newest), MOST_READ) if record.entries]
    sat = [(shelf.round(r.round).committee, {vote.validator for vote in r.votes}) for r in settled]
    return replaced(committee, plan.substitutes, silent(sat, plan.turns))
