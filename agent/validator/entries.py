"""Finding entries: a stake that our settlement account may claim, the transaction that made it, and its memo."""

from __future__ import annotations

from dataclasses import dataclass

from stellar_sdk import CreateClaimableBalance

from agent.core.cid import Cid
from agent.core.ledger import Stake
from agent.ledger.envelope import Opened, opened, stake_id
from agent.ledger.horizon import Horizon


@dataclass(frozen=True, slots=True)
class Entry:
    """A stake and what was said with it. `contribution` is '' when the memo is no hash: then there is nothing to
    judge, and `fault` says so."""

    stake: Stake
    vehicle: str
    transaction: str
    ledger: int
    entered_at: int
    contribution: str
    take_back_at: int | None
    fault: str = ""

    def facts(self) -> dict[str, str | int | None]:
        """For the journal."""
        return {
            "vehicle": self.vehicle,
            "transaction": self.transaction,
            "ledger": self.ledger,
            "entered_at": self.entered_at,
            "contribution": self.contribution,
            "stake": self.stake.amount,
            "fault": self.fault,
        }


def entry(horizon: Horizon, stake: Stake) -> Entry | None:
    """The entry behind a stake; None while its transaction is not to be found yet. Raises Unavailable, Malformed."""
    made = next(iter(horizon.touching(stake.id)), None)
    if made is None:
        return None
    envelope = opened(made.envelope, horizon.passphrase)
    index = _operation(envelope, made.envelope, horizon.passphrase, stake.id)
    fault = ""
    if envelope.memo is None:
        fault = "the entry's memo is not a hash"
    elif index is None or made.source != stake.sponsor:
        fault = "the stake was not put down by the vehicle's own entry"
    return Entry(
        stake=stake,
        vehicle=made.source,
        transaction=made.hash,
        ledger=made.ledger,
        entered_at=made.closed_at,
        contribution=str(Cid.v0(envelope.memo)) if envelope.memo else "",
        take_back_at=_take_back_at(envelope.operations[index], made.source) if index is not None else None,
        fault=fault,
    )


def _operation(envelope: Opened, text: str, passphrase: str, wanted: str) -> int | None:
    """Which of the transaction's operations made the stake."""
    for index, operation in enumerate(envelope.operations):
        if isinstance(operation, CreateClaimableBalance) and stake_id(text, passphrase, index) == wanted:
            return index
    return None


def _take_back_at(operation: CreateClaimableBalance, vehicle: str) -> int | None:
    """From when on the vehicle may claim its stake: `not before T` is the only form the protocol knows."""
    for claimant in operation.claimants:
        if claimant.destination == vehicle:
            inner = claimant.predicate.not_predicate
            return inner.abs_before if inner is not None else 0
    return None
