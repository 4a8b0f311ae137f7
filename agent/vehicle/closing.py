"""What a closing can do now: take the stake back, redeem the credit, withdraw the bid, each by itself.

A part that the ledger would refuse today is left for another closing and told, so that it keeps nothing else back and
costs no fee: pay that nobody offers any more, a line that its issuer has frozen, a stake that the operator took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stellar_sdk.operation import Operation

from agent.core.jobs.contribution import Entered, Job
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, Stroops, text
from agent.ledger.horizon import Horizon
from agent.market import entry
from agent.market.entry import Terms


@dataclass(frozen=True, slots=True)
class Closing:
    operations: Sequence[Operation]
    waits: str = ""
    """What cannot be done now, as a sentence, or ''."""


def closing(horizon: Horizon, terms: Terms, job: Job, account: Account, staked: bool) -> Closing:
    """Of a settled job. `staked`: its stake is on the ledger and nobody judged it. Raises Unavailable."""
    still_open = {offer.id for offer in horizon.offers(account.id)}
    bids = [bid for bid in job.of(Entered).bids if bid in still_open]
    credit = job.credit
    least = entry.least(credit, job.reward)
    take_back, waits = None, ""
    path: tuple[Asset, ...] = ()
    if staked:
        waits = _not_taken_back(terms, account, job.stake)
        take_back = None if waits else job.entry.stake_id
    if credit:
        path, waits = _redeemed(horizon, terms, account, credit, least)
        credit = 0 if waits else credit
    made = entry.closing(terms, account.id, take_back=take_back, credit=credit, least=least, path=path, bids=bids)
    return Closing(made, waits)


def _not_taken_back(terms: Terms, account: Account, stake: Stroops) -> str:
    """Why the ledger would not give the stake back to the account, or ''."""
    line = account.lines.get(terms.dlc)
    if line is None or not line.authorized:
        return f"the operator does not let this account hold the {text(stake)} DLC of its stake"
    if line.room < stake:
        return f"this account's line of DLC has no room for the {text(stake)} of its stake"
    return ""


def _redeemed(
    horizon: Horizon, terms: Terms, account: Account, credit: Stroops, least: Stroops
) -> tuple[tuple[Asset, ...], str]:
    """(the way on which a credit becomes XLM, '') or ((), why it does not now)."""
    line, owed = account.lines.get(terms.credit_asset), f"{text(credit)} {terms.credit_asset.code}"
    if line is None or line.free < credit:
        return (), f"the account does not hold the {owed} that it was credited: their issuer can say why"
    if not line.authorized:
        return (), f"the issuer of {terms.credit_asset.code} has frozen the {owed} that this account was credited"
    way = horizon.proceeds(terms.credit_asset, credit, XLM)
    if way is None or way.amount < least:
        best = f", at best {text(way.amount)}" if way else ""
        return (), f"nobody pays {text(least)} XLM for {owed} now{best}"
    return way.path, ""
