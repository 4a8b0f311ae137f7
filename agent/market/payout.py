"""Where pay goes: to the owner's account, in XLM or in an asset of the owner's, and never first to the car's own.

A closing's memo is its contribution's digest. So an account that tells its customers apart by memos cannot be paid: it
would not know whose money it is (SEP-29). What becomes of XLM on the way is never a reason to keep pay back: where the
owner's asset cannot be had at a price, or the owner cannot take it, XLM goes to the same account.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from agent.core.address import account_of
from agent.core.ids import AccountId
from agent.core.ledger import LONGEST_PATH, Account, Way
from agent.core.money import XLM, Asset, Stroops, share
from agent.ledger.horizon import Horizon

MEMO_REQUIRED = "config.memo_required"
"""The data entry of an account that takes no payment without a memo (SEP-29)."""
TRIES = 2
"""Closings that the ledger refused, after which XLM is sent in place of another asset."""
LEFT_AFTER_SLIPPAGE = Fraction(49, 50)
"""Of what the order book gives of another asset now, so much at least must arrive."""
WORTH = Fraction(9, 10)
"""Of XLM that go into another asset, so much must come out again, or its book is no price: a single offer of a stranger
could buy the pay for nothing."""


@dataclass(frozen=True, slots=True)
class Payout:
    """Where an owner wants pay to go."""

    to: str
    """An account, G… or M…: with the second the ledger carries the id with each payment."""
    asset: Asset
    keep: Stroops | None
    """XLM that stay on the car; None: all that are there."""

    @property
    def account(self) -> AccountId:
        """The account on the ledger that `to` stands for."""
        return account_of(self.to)

    def refusal(self, owner: Account | None) -> str:
        """Why nothing can be sent there, as a sentence, or ''. `owner`: the account, None where there is none."""
        if owner is None:
            return f"market.payout names {self.account}, which is not on the ledger"
        if self.to == self.account and owner.data.get(MEMO_REQUIRED) == b"1":
            return (
                f"market.payout names {self.account}, which wants a memo of its own with each payment, "
                "and a closing's memo is its contribution: use an account of your own"
            )
        return ""

    def without(self, owner: Account, amount: Stroops = 0) -> str:
        """Why the account cannot take so much of `asset`, as a sentence, or ''."""
        line = owner.lines.get(self.asset)
        if self.asset.is_native or self.asset.issuer == owner.id:
            return ""
        if line is None:
            return f"{owner.id} has no line of {self.asset.code}"
        if not line.authorized:
            return f"its issuer does not let {owner.id} hold {self.asset.code}"
        if line.room < amount:
            return f"the line of {self.asset.code} of {owner.id} has no room"
        return ""


@dataclass(frozen=True, slots=True)
class Redemption:
    """How a credit leaves the car: to whom, as what, at least how much of it, and on which way."""

    to: str
    credit: Stroops
    asset: Asset
    least: Stroops
    path: tuple[Asset, ...]


def converted(horizon: Horizon, pay: Redemption, xlm: Stroops, payout: Payout, owner: Account) -> Redemption:
    """Pay of so much XLM, turned into the owner's asset in the same payment; the same pay, where that cannot be done at
    a price that its own book would take back, or the owner cannot take it. Raises Unavailable."""
    if payout.asset.is_native or payout.without(owner):
        return pay
    way = price(horizon, payout.asset, xlm)
    if way is None or payout.without(owner, way.amount):
        return pay
    path = (*pay.path, XLM, *way.path)
    if len(path) > LONGEST_PATH:
        return pay
    return Redemption(pay.to, pay.credit, payout.asset, max(1, share(way.amount, LEFT_AFTER_SLIPPAGE)), path)


def price(horizon: Horizon, asset: Asset, xlm: Stroops) -> Way | None:
    """What so much XLM becomes in another asset, where its book would take that back; else None. Raises Unavailable."""
    way = horizon.proceeds(XLM, xlm, asset)
    back = horizon.proceeds(asset, way.amount, XLM) if way else None
    return way if back is not None and back.amount >= WORTH * xlm else None
