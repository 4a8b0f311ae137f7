"""What an account has of an asset, can give and can take, lumens and credit alike (RULES 1).

An issuer needs no trustline for its own asset: it gives and takes without end, and nothing is written down.
"""

from __future__ import annotations

from dataclasses import replace

from .assets import NATIVE, Asset
from .entries import (
    AUTHORIZED,
    AUTHORIZED_TO_MAINTAIN_LIABILITIES,
    MAX,
    Account,
    Header,
    TrustLine,
)
from .refusal import Inconsistent
from .state import LedgerState

_MAY_HOLD_OFFERS = AUTHORIZED | AUTHORIZED_TO_MAINTAIN_LIABILITIES


def min_balance(header: Header, account: Account) -> int:
    entries = 2 + account.subentries + account.num_sponsoring - account.num_sponsored
    return entries * header.base_reserve


def available_lumens(header: Header, account: Account) -> int:
    """What the account can spend; negative when the reserve has risen above its balance."""
    return account.balance - min_balance(header, account) - account.selling_liabilities


def is_authorized(line: TrustLine) -> bool:
    return bool(line.flags & AUTHORIZED)


def may_hold_offers(line: TrustLine) -> bool:
    """Authorised at least to keep its offers, which may then be filled (RULES 12)."""
    return bool(line.flags & _MAY_HOLD_OFFERS)


def can_sell(state: LedgerState, account: str, asset: Asset) -> int:
    """The most of the asset that can leave the account."""
    if asset == NATIVE:
        return max(0, available_lumens(state.header, _existing(state, account)))
    if asset.issuer == account:
        return MAX
    line = state.trust_line(account, asset)
    if line is None or not may_hold_offers(line):
        return 0
    return max(0, line.balance - line.selling_liabilities)


def can_buy(state: LedgerState, account: str, asset: Asset) -> int:
    """The most of the asset that the account can take."""
    if asset == NATIVE:
        held = _existing(state, account)
        return max(0, MAX - held.balance - held.buying_liabilities)
    if asset.issuer == account:
        return MAX
    line = state.trust_line(account, asset)
    if line is None or not may_hold_offers(line):
        return 0
    return max(0, line.limit - line.balance - line.buying_liabilities)


def move(state: LedgerState, account: str, asset: Asset, delta: int) -> bool:
    """Credit (delta > 0) or debit the account; False, and nothing done, where limits forbid it."""
    if delta == 0 or asset.issuer == account:
        return True
    if asset == NATIVE:
        return move_lumens(state, _existing(state, account), delta)
    line = state.trust_line(account, asset)
    return line is not None and move_credit(state, line, delta)


def move_lumens(state: LedgerState, account: Account, delta: int) -> bool:
    balance = account.balance + delta
    if balance < 0 or balance > MAX - account.buying_liabilities:
        return False
    if delta < 0 and balance - min_balance(state.header, account) < account.selling_liabilities:
        return False
    if delta:
        state.put(replace(account, balance=balance))
    return True


def move_credit(state: LedgerState, line: TrustLine, delta: int) -> bool:
    balance = line.balance + delta
    if delta and not may_hold_offers(line):
        return False
    if delta and not line.selling_liabilities <= balance <= line.limit - line.buying_liabilities:
        return False
    if delta:
        state.put(replace(line, balance=balance))
    return True


def _existing(state: LedgerState, account: str) -> Account:
    found = state.account(account)
    if found is None:
        raise Inconsistent(f"{account} is not in the ledger although it is to pay or be paid.")
    return found
