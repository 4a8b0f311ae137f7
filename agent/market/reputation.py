"""What an account has done in a market, from the ledger alone: as a vehicle, a validator and an initiator.

It is what history remembers, at most a week of it, and as good as who settled: whoever has two accounts can settle with
itself. So it is shown, with who settled, and decides alone where the reader names the settlement account
(`strikes.due`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from agent.core.fields import WEEK_LEDGERS
from agent.core.ids import AccountId
from agent.core.ledger import Account, Transaction
from agent.core.money import XLM, Asset
from agent.errors import Malformed
from agent.ledger.envelope import opened
from agent.ledger.horizon import Horizon
from agent.market import settlement, strikes
from agent.market.records import ENTRY

MOST_ACCOUNTS = 20
"""Settlement accounts that are looked at for one account: strangers may put its key on theirs."""
MOST_BALANCES = 1000
"""That lock pay, and that the account may claim some day."""
MOST_TRANSACTIONS = 500
"""Of one settlement account, the newest."""
FATES: tuple[strikes.Fate, ...] = ("accepted", "idle", "forfeited", "silent", "clawed", "open")


@dataclass(frozen=True, slots=True)
class Settlements:
    """What one settlement account did in the window."""

    account: AccountId
    settlements: int
    """Its transactions that settle entries."""
    signed: int
    """Those of them that this account signed. They carry two thirds of their committee's signatures, and no more."""
    outcomes: Mapping[str, int]
    """Entries: accepted, idle, forfeited."""


@dataclass(frozen=True, slots=True)
class Reputation:
    account: AccountId
    since: int
    """Ledger from which on history was asked."""
    vehicle: Mapping[str, int]
    """Its stakes by what became of them, FATES in order."""
    by: Mapping[str, int]
    """Of these accepted, by who settled them."""
    validator: tuple[Settlements, ...]
    """By settlement account that it signs for."""
    initiator: tuple[Settlements, ...]
    """By settlement account that its pay is locked for."""


def look(horizon: Horizon, account: AccountId, dlc: Asset) -> Reputation:
    """Stakes in this DLC. Raises strikes.StillCounting (ask again), HistoryTooShort where nothing is remembered,
    Unavailable."""
    memory = horizon.archive or horizon
    reach = memory.reach()
    since = max(reach.elder, reach.latest - WEEK_LEDGERS)
    found = strikes.fates(memory, account, dlc, since, reach.latest + 1)
    fates = Counter(each.ended.fate if each.ended is not None else "open" for each in found)
    accepted = Counter(each.ended.by for each in found if each.ended is not None and each.ended.fate == "accepted")
    judged = [each.id for each in horizon.governed(account, MOST_ACCOUNTS) if _settles(each)]
    paid = {each.at_once[0] for each in horizon.stakes(account, XLM, MOST_BALANCES) if len(each.at_once) == 1}
    return Reputation(
        account,
        since,
        {fate: fates[fate] for fate in FATES},
        accepted,
        tuple(_settled(memory, each, account, since) for each in judged),
        tuple(_settled(memory, each, account, since) for each in sorted(paid - {account})[:MOST_ACCOUNTS]),
    )


def _settles(account: Account) -> bool:
    """Whether it has a chain of records: an account with a data entry that names the newest."""
    return ENTRY in account.data


def _settled(horizon: Horizon, account: AccountId, of: AccountId, since: int) -> Settlements:
    newest = islice(horizon.history(account, newest_first=True, since=since), MOST_TRANSACTIONS)
    outcomes, settlements, signed = Counter[str](), 0, 0
    for transaction in _own(newest, account):
        try:
            envelope = opened(transaction.envelope, horizon.passphrase)
        except Malformed:
            continue
        ended = settlement.read(envelope, account)
        if ended:
            settlements += 1
            signed += envelope.is_signed_by(of)
            outcomes.update("forfeited" if each.outcome == "rejected" else each.outcome for each in ended.values())
    return Settlements(account, settlements, signed, dict(outcomes))


def _own(transactions: Iterable[Transaction], account: AccountId) -> Iterable[Transaction]:
    return (each for each in transactions if each.source == account)
