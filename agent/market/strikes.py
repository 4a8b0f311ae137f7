"""Strikes, counted on the ledger (PROTOCOL section 7).

A strike is a settlement transaction that claimed a vehicle's stake and paid nothing back for it. Vehicle and
validators count the same ones: both read the vehicle's own transactions and what became of each stake in them.
"""

from __future__ import annotations

from stellar_sdk import CreateClaimableBalance

from agent.core.documents import Round
from agent.core.ledger import Transaction
from agent.core.money import Stroops
from agent.core.stake import stake_due
from agent.errors import Malformed
from agent.ledger.envelope import opened, stake_id
from agent.ledger.horizon import Horizon
from agent.market import settlement


def strikes(horizon: Horizon, vehicle: str, settled_by: str, since: int, until: int) -> int:
    """Stakes that the vehicle made since ledger `since` and that were forfeited before ledger `until`."""
    count = 0
    for transaction in horizon.history(vehicle, newest_first=True):
        if transaction.ledger < since:
            break
        if transaction.source != vehicle:
            continue
        for stake in _stakes(transaction, horizon.passphrase, settled_by):
            count += _was_forfeited(horizon, stake, settled_by, until)
    return count


def due(horizon: Horizon, round_: Round, vehicle: str, ledger: int, grace: int = 0) -> Stroops:
    """The stake a vehicle must put down for an entry in `ledger`. Validators give `grace` ledgers: a strike that was
    settled while the entry was on its way is not held against it."""
    since = ledger - round_.stake.window_ledgers
    return stake_due(round_.stake, strikes(horizon, vehicle, round_.settlement, since, ledger - grace))


def _stakes(transaction: Transaction, passphrase: str, settled_by: str) -> list[str]:
    """None in a transaction that this version cannot read (an operation of a newer network): what such a one puts down is
    no entry either (`validator.entries`)."""
    try:
        envelope = opened(transaction.envelope, passphrase)
    except Malformed:
        return []
    return [
        stake_id(transaction.envelope, passphrase, index)
        for index, operation in enumerate(envelope.operations)
        if isinstance(operation, CreateClaimableBalance)
        and any(claimant.destination == settled_by for claimant in operation.claimants)
    ]


def _was_forfeited(horizon: Horizon, stake: str, settled_by: str, until: int) -> bool:
    found = settlement.settling(horizon, stake, settled_by)
    return found is not None and found.transaction.ledger < until and found.settled.outcome == "rejected"
