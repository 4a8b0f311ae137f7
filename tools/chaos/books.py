"""The books: what became of every stake and every payment, read from each closed ledger and from nobody's words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from stellar_sdk import (
    ClaimClaimableBalance,
    ClawbackClaimableBalance,
    CreateClaimableBalance,
    FeeBumpTransactionEnvelope,
    Payment,
    TransactionEnvelope,
)
from stellar_sdk.operation import Operation

from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, Asset, Stroops, stroops
from agent.ledger.envelope import own_asset
from tools.chaos.ground import DLC_PRICE, Ground


@dataclass
class Stake:
    id: str
    maker: str
    asset: Asset
    amount: Stroops
    claimants: tuple[str, ...]
    memo: str
    ledger: int
    entered_at: int
    ended_by: str = ""
    """Who claimed it, or 'clawback'; '' while it lies there."""
    ended_at: int = 0
    returned: Stroops = 0
    credit: Stroops = 0
    credit_asset: Asset | None = None


@dataclass
class Shared:
    """DLC that a settlement account paid without a claim before it."""

    settlement: str
    to: str
    amount: Stroops


class Books:
    """`read` after each ledger. `settlements`: accounts that are settlement accounts of honest initiators."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._read = ground.line.head().sequence
        self.stakes: dict[str, Stake] = {}
        self.shares: list[Shared] = []
        self.memos: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        """Source account → (ledger, memo) of its transactions, oldest first."""

    def read(self) -> None:
        head = self._ground.exchange.head
        for ledger in range(self._read + 1, head + 1):
            for record in self._transactions(ledger):
                self._take(record)
        self._read = max(self._read, head)

    def of(self, makers: Collection[str]) -> list[Stake]:
        """Stakes that a settlement account may claim, oldest first."""
        return [stake for stake in self.stakes.values() if stake.maker in makers]

    def wealth(self, account_id: str, credit: Mapping[Asset, Stroops]) -> Stroops:
        """In XLM at market prices: lumens, DLC as the operator sells it, VLM as an honest initiator buys it (`credit`),
        and the stakes that still lie there."""
        account = self._ground.line.account(account_id)
        if account is None:
            return 0
        prices = {self._ground.dlc: DLC_PRICE, XLM: Fraction(1)}
        lines = [(asset, line.balance) for asset, line in account.lines.items()]
        lines += [(s.asset, s.amount) for s in self.stakes.values() if s.maker == account_id and not s.ended_by]
        total = sum(int(prices[asset] * amount) for asset, amount in lines if asset in prices)
        total += sum(amount * credit[asset] // UNIT for asset, amount in lines if asset in credit)
        return total

    def balance(self, account_id: str, asset: Asset) -> Stroops:
        account = self._ground.line.account(account_id)
        line = None if account is None else account.lines.get(asset)
        return 0 if line is None else line.balance

    # --- beneath

    def _transactions(self, ledger: int) -> list[dict[str, Any]]:
        found = self._ground.net.get(f"/ledgers/{ledger}/transactions?limit=200")
        records: list[dict[str, Any]] = found["_embedded"]["records"]
        return records

    def _take(self, record: Mapping[str, Any]) -> None:
        text, passphrase = record["envelope_xdr"], self._ground.net.passphrase
        if FeeBumpTransactionEnvelope.is_fee_bump_transaction_envelope(text):
            whole = FeeBumpTransactionEnvelope.from_xdr(text, passphrase).transaction.inner_transaction_envelope
        else:
            whole = TransactionEnvelope.from_xdr(text, passphrase)
        transaction = whole.transaction
        source, at = transaction.source.account_id, self._ground.now
        memo = str(record.get("memo", ""))
        self.memos[source].append((int(record["ledger"]), memo))
        claimed: Stake | None = None
        for index, operation, by in _operations(transaction.operations, source):
            if isinstance(operation, CreateClaimableBalance):
                made = transaction.get_claimable_balance_id(index).removeprefix(BALANCE_V0)
                self.stakes[made] = Stake(
                    id=made,
                    maker=by,
                    asset=own_asset(operation.asset),
                    amount=_amount(operation.amount),
                    claimants=tuple(c.destination for c in operation.claimants),
                    memo=memo,
                    ledger=int(record["ledger"]),
                    entered_at=at,
                )
            elif isinstance(operation, (ClaimClaimableBalance, ClawbackClaimableBalance)):
                claimed = self.stakes.get(operation.balance_id.removeprefix(BALANCE_V0))
                if claimed is not None:
                    claimed.ended_by = by if isinstance(operation, ClaimClaimableBalance) else "clawback"
                    claimed.ended_at = at
            elif isinstance(operation, Payment):
                self._paid(operation, by, claimed)
            else:
                claimed = None

    def _paid(self, payment: Payment, by: str, claimed: Stake | None) -> None:
        asset, to, amount = own_asset(payment.asset), payment.destination.account_id, _amount(payment.amount)
        if claimed is None or claimed.ended_by != by:
            if asset == self._ground.dlc:
                self.shares.append(Shared(by, to, amount))
        elif to == claimed.maker and asset == claimed.asset:
            claimed.returned += amount
        elif to == claimed.maker:
            claimed.credit += amount
            claimed.credit_asset = asset


def _amount(read: str) -> Stroops:
    """Below ten stroops the SDK writes an amount as 1E-7."""
    return stroops(format(Decimal(read), "f"))


def _operations(operations: list[Operation], source: str) -> Iterator[tuple[int, Operation, str]]:
    for index, operation in enumerate(operations):
        yield index, operation, operation.source.account_id if operation.source else source


def contributors(stakes: list[Stake], settlement: str) -> Counter[str]:
    """Vehicles that the settlement account ever paid credit."""
    return Counter(stake.maker for stake in stakes if stake.ended_by == settlement and stake.credit)
