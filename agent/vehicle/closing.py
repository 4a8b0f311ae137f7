"""What a closing can do now: take the stake back, redeem the credit, withdraw the bid, each by itself.

A part that the ledger would refuse today is left for another closing and told, so that it keeps nothing else back and
costs no fee: pay that nobody offers any more, a line that its issuer has frozen, a stake that the operator took.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stellar_sdk import ClaimClaimableBalance, ClawbackClaimableBalance
from stellar_sdk.operation import Operation

from agent.core.job import Job
from agent.core.ledger import BALANCE_V0, Account
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.ledger.envelope import opened
from agent.ledger.horizon import HistoryTooShort, Horizon
from agent.market import entry
from agent.market.entry import Terms

FORGOTTEN_S = 86_400
"""Seconds after which a server that knows nothing of a stake has forgotten it, and is not merely late."""


@dataclass(frozen=True, slots=True)
class Closing:
    operations: Sequence[Operation]
    waits: str = ""
    """What cannot be done now, as a sentence, or ''."""
    told: str = ""
    """What became of the stake, where no verdict says it."""


def closing(
    horizon: Horizon, terms: Terms, job: Job, others: Collection[Job], account: Account, bids: Sequence[int], now: int
) -> Closing:
    """Of a job that is settled, or silent with no verdict. `others`: the vehicle's other open jobs. `bids`: those of
    the job that are still on the book. `now`: ledger time. Raises Unavailable."""
    facts = job.facts
    take_back, waits, told, credit = None, "", "", facts.get("credit", 0)
    if job.outcome == "silent":
        if horizon.stake(facts["stake_id"]) is None:
            waits, told = _gone(horizon, facts["stake_id"], now - facts["take_back_at"])
            credit = 0 if waits else unclaimed(terms, account, others)
        elif not (waits := _not_taken_back(terms, account, facts["stake"])):
            take_back = facts["stake_id"]
    path: tuple[Asset, ...] = ()
    least = entry.least(credit, facts["reward"])
    if credit:
        path, waits = _redeemed(horizon, terms, account, credit, least)
        credit = 0 if waits else credit
    operations = entry.closing(terms, account.id, take_back=take_back, credit=credit, least=least, path=path, bids=bids)
    return Closing(operations, waits, told)


def unclaimed(terms: Terms, account: Account, others: Collection[Job]) -> Stroops:
    """VLM on the account that no other open job was credited: what a settlement that history does not show may have
    paid for this one, at most 1.0."""
    line = account.lines.get(terms.credit)
    theirs = sum(each.facts.get("credit", 0) for each in others if each.facts.get("model") == str(terms.model))
    return min(UNIT, max(0, line.free - theirs)) if line else 0


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
    line, owed = account.lines.get(terms.credit), f"{text(credit)} {terms.credit.code}"
    if line is None or line.free < credit:
        return (), f"the account does not hold the {owed} that it was credited: their issuer can say why"
    if not line.authorized:
        return (), f"the issuer of {terms.credit.code} has frozen the {owed} that this account was credited"
    way = horizon.proceeds(terms.credit, credit, XLM)
    if way is None or way.amount < least:
        best = f", at best {text(way.amount)}" if way else ""
        return (), f"nobody pays {text(least)} XLM for {owed} now{best}"
    return way.path, ""


def _gone(horizon: Horizon, stake: str, since: int) -> tuple[str, str]:
    """(what is to be waited for, what became of it) of a stake that is off the ledger. `since`: seconds since it could
    be taken back."""
    forgotten = "", f"what became of the stake is older than what {horizon.url} remembers"
    try:
        touching = horizon.touching(stake)
    except HistoryTooShort:
        return forgotten
    for transaction in touching:
        for operation in opened(transaction.envelope, horizon.passphrase).operations:
            taken = isinstance(operation, (ClaimClaimableBalance, ClawbackClaimableBalance))
            if taken and operation.balance_id == BALANCE_V0 + stake:
                who = operation.source.account_id if operation.source else transaction.source
                return "", f"no settlement took the stake, but {who} in transaction {transaction.hash}"
    if touching or since < FORGOTTEN_S:
        return f"the stake is off the ledger, and {horizon.url} does not say yet what became of it", ""
    return forgotten
