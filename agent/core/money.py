"""Money: integer stroops, exact prices, and assets as Stellar names them.

One unit of any asset is 10,000,000 stroops. Amounts are `int` stroops everywhere inside Milepost; prices are
`fractions.Fraction`. Text in decimal notation exists only at the doors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from agent.core.ids import AccountId
from agent.errors import Malformed

Stroops = int

UNIT: Stroops = 10_000_000
MAX_STROOPS: Stroops = 2**63 - 1

_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,7}))?")
_CODE = re.compile(r"[A-Za-z0-9]{1,12}")


def stroops(text: str) -> Stroops:
    """'1.5' as 15_000_000. Raises Malformed for signs, exponents, more than 7 decimals, or more than int64 holds."""
    match = _AMOUNT.fullmatch(text)
    amount = int(match[1]) * UNIT + int((match[2] or "").ljust(7, "0")) if match else -1
    if not 0 <= amount <= MAX_STROOPS:
        raise Malformed(what=f"the amount {text[:40]!r}", why="not a decimal with at most 7 places in Stellar's range")
    return amount


def text(amount: Stroops) -> str:
    """15_000_000 as '1.5000000', the way Horizon writes it."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // UNIT}.{amount % UNIT:07d}"


def share(amount: Stroops, part: Fraction) -> Stroops:
    """`part` of an amount, rounded down: nobody is ever paid a stroop that is not there."""
    return amount * part.numerator // part.denominator


@dataclass(frozen=True, slots=True, order=True)
class Asset:
    """A Stellar asset. `issuer` is '' for XLM alone."""

    code: str
    issuer: AccountId = AccountId("")

    @classmethod
    def parse(cls, name: str) -> Asset:
        """'native' or 'CODE:ISSUER'."""
        if name == "native":
            return XLM
        code, _, issuer = name.partition(":")
        if not _CODE.fullmatch(code) or len(issuer) != 56:
            raise Malformed(what=f"the asset {name[:80]!r}", why="expected 'native' or CODE:ISSUER")
        return cls(code, AccountId(issuer))

    @property
    def is_native(self) -> bool:
        return not self.issuer

    def __str__(self) -> str:
        return f"{self.code}:{self.issuer}" if self.issuer else "native"


XLM = Asset("XLM")
