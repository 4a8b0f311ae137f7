"""Finding entries: a stake that our settlement account may claim, the transaction that made it, and its memo.

What is not in the protocol's form is no entry: nobody votes on it, nothing claims it, and it goes back to whoever put
it down. So a trick with claimants, predicates or dust costs validators a look and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stellar_sdk import ClaimPredicate, CreateClaimableBalance
from stellar_sdk.operation.create_claimable_balance import ClaimPredicateType

from agent.core.cid import Cid
from agent.core.documents import Enrolled
from agent.core.ids import AccountId, CidText, TxHash
from agent.core.jobs.review import Found
from agent.core.ledger import Stake, Transaction
from agent.core.round import Round
from agent.errors import Refused
from agent.ledger.envelope import Opened, balance_id, opened
from agent.ledger.horizon import Horizon


class NoEntry(Refused):
    """The balance {stake} is no entry: {why}. It is left to whoever put it down."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stake and what was said with it. `contribution` is '' when the memo is no hash: then there is nothing to
    judge, and `fault` says so."""

    stake: Stake
    vehicle: AccountId
    transaction: TxHash
    ledger: int
    entered_at: int
    contribution: CidText
    take_back_at: int
    fault: str = ""

    @property
    def enrolled(self) -> Enrolled:
        """As it stands on a roll. Not of an entry that is at fault."""
        return Enrolled(
            entry=self.stake.id,
            transaction=self.transaction,
            vehicle=self.vehicle,
            contribution=self.contribution,
            ledger=self.ledger,
        )

    def found(self, settlement: AccountId) -> Found:
        """For the journal."""
        return Found(
            settlement=settlement,
            vehicle=self.vehicle,
            transaction=self.transaction,
            ledger=self.ledger,
            entered_at=self.entered_at,
            contribution=self.contribution,
            stake=self.stake.amount,
            take_back_at=self.take_back_at,
            fault=self.fault,
        )


def is_formed(stake: Stake, settlement: AccountId, rounds: Sequence[Round]) -> bool:
    """Whether a balance can be an entry in one of these rounds, as far as the balance itself tells: two claimants, the
    settlement account at once and another one not at once, and no less than a round's least stake."""
    others = set(stake.claimants) - {settlement}
    return (
        len(stake.claimants) == 2
        and len(others) == 1
        and stake.at_once == (settlement,)
        and any(r.stake_asset == stake.asset and stake.amount >= r.stake.base for r in rounds)
    )


def entry(horizon: Horizon, stake: Stake, settlement: AccountId, rounds: Sequence[Round]) -> Entry | None:
    """The entry behind a stake; None while its transaction is not to be found yet. Raises NoEntry, Unavailable."""
    if not is_formed(stake, settlement, rounds):
        raise NoEntry(stake=stake.id, why="its claimants, its asset or its amount are not an entry's")
    made = next(iter(horizon.touching(stake.id)), None)
    return None if made is None else read(made, horizon.passphrase, stake, settlement, rounds)


def read(made: Transaction, passphrase: str, stake: Stake, settlement: AccountId, rounds: Sequence[Round]) -> Entry:
    """The entry that a transaction made, perhaps wrapped in a fee bump. Raises NoEntry."""
    try:
        envelope = opened(made.envelope, passphrase)
    except Refused as error:
        raise NoEntry(stake=stake.id, why=f"its transaction cannot be read ({error})") from None
    (vehicle,) = set(stake.claimants) - {settlement}
    operation = _operation(envelope, stake.id)
    if operation is None or envelope.source != vehicle:
        raise NoEntry(stake=stake.id, why="it was not put down by the transaction of its own vehicle")
    back = _take_back_at(operation, vehicle)
    if back is None:
        raise NoEntry(stake=stake.id, why="its vehicle's predicate is not 'not before' a moment")
    if back < made.closed_at + min(r.review_window for r in rounds) // 2:
        raise NoEntry(stake=stake.id, why="it could be taken back before it is reviewed")
    return Entry(
        stake=stake,
        vehicle=vehicle,
        transaction=made.hash,
        ledger=made.ledger,
        entered_at=made.closed_at,
        contribution=Cid.v0(envelope.memo).text if envelope.memo else CidText(""),
        take_back_at=back,
        fault="" if envelope.memo else "the entry's memo is not a hash",
    )


def _operation(envelope: Opened, wanted: str) -> CreateClaimableBalance | None:
    """The one that made the stake, if the transaction's own account is behind it."""
    for index, operation in enumerate(envelope.operations):
        if not isinstance(operation, CreateClaimableBalance):
            continue
        if balance_id(envelope.source, envelope.sequence, index) == wanted:
            own = operation.source is None or operation.source.account_id == envelope.source
            return operation if own else None
    return None


def _take_back_at(operation: CreateClaimableBalance, vehicle: AccountId) -> int | None:
    """From when on the vehicle may claim its stake: `not before T` is the only form the protocol knows."""
    predicates = [c.predicate for c in operation.claimants if c.destination == vehicle]
    inner: ClaimPredicate | None = predicates[0].not_predicate if len(predicates) == 1 else None
    if inner is None or inner.claim_predicate_type != ClaimPredicateType.CLAIM_PREDICATE_BEFORE_ABSOLUTE_TIME:
        return None
    return inner.abs_before
