"""What a field of a document may hold: each text has a form, each number bounds.

So nothing that is reckoned with one can overflow, and no round can ask for what nobody lives to see.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints

from agent.core import address, ids
from agent.core.money import UNIT, stroops
from agent.core.plain import plain
from agent.errors import MilepostError


def _plain(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")  # + 0: there is one zero


Number = Annotated[
    Decimal, Field(allow_inf_nan=False, max_digits=24), PlainSerializer(_plain, return_type=str, when_used="json")
]
"""An exact decimal, written as a string."""


def _issued(name: str) -> str:
    address.account(name.partition(":")[2])
    return name


def _shown(text: object) -> object:
    """What a stranger wrote ends up in records and on terminals."""
    return plain(text) if isinstance(text, str) else text


def _amount(text: str) -> str:
    try:
        stroops(text)
    except MilepostError as error:
        raise ValueError('an amount is a decimal in quotes with at most 7 places, like "12.5"') from error
    return text


AccountId = Annotated[ids.AccountId, StringConstraints(pattern=r"^G[A-Z2-7]{55}$"), AfterValidator(address.account)]
AssetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,12}:G[A-Z2-7]{55}$"), AfterValidator(_issued)]
ModelName = Annotated[str, StringConstraints(pattern=r"^DLM[A-Za-z0-9]{1,9}:G[A-Z2-7]{55}$"), AfterValidator(_issued)]
CidText = Annotated[ids.CidText, StringConstraints(pattern=r"^Qm[1-9A-HJ-NP-Za-km-z]{44}$")]
MemoText = Annotated[ids.CidText, StringConstraints(pattern=r"^(Qm[1-9A-HJ-NP-Za-km-z]{44})?$")]
"""The CID that an entry's memo names, or '' where the memo is no hash: such an entry is voted on like any other."""
_HEX_32 = StringConstraints(pattern=r"^[0-9a-f]{64}$")
TxHash = Annotated[ids.TxHash, _HEX_32]
StakeId = Annotated[ids.StakeId, _HEX_32]
Hex32 = Annotated[str, _HEX_32]
"""32 bytes that name nothing on the ledger: a key, or a part of a fingerprint."""
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=512)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.+-]{0,63}$")]
Reason = Annotated[str, BeforeValidator(_shown), StringConstraints(max_length=200)]
ClassName = Annotated[str, BeforeValidator(_shown), StringConstraints(min_length=1, max_length=200)]

Amount = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Stroops."""
AmountText = Annotated[str, AfterValidator(_amount)]
"""As people write an amount: a decimal in quotes."""
MOST_CREDIT = 64
Credit = Annotated[int, Field(ge=0, le=MOST_CREDIT * UNIT)]
"""VLM stroops: 1.0 is full credit. Who alone brings what a whole roll was pledged for gets more."""
MOST_LOSS = 10**8
Loss = Annotated[Number, Field(ge=0, le=MOST_LOSS)]
RoundNumber = Annotated[int, Field(ge=0, le=1_000_000)]
UnixTime = Annotated[int, Field(ge=0, le=2**53)]
LedgerNumber = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=0, le=2**53)]
MOST_PRICE = 2**31 - 1
"""What either part of a price on the ledger can be."""
MOST_STAKE = 1_000_000 * UNIT
WEEK_S, WEEK_LEDGERS = 604_800, 120_960
MOST_STEPS, MOST_BATCH, MOST_SAMPLES = 1_000_000, 4096, 10**9
MOST_STALENESS = 8
MOST_ON_ROLL = 64
