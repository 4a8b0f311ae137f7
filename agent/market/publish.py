"""Publishing: the initiator's offer for a round, and the accounts and assets a market needs (PROTOCOL 1, 3, 9).

The set-up is made of plain lists of operations, so that each party signs its own and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from stellar_sdk import (
    AuthorizationFlag,
    ChangeTrust,
    CreateAccount,
    ManageData,
    ManageSellOffer,
    Payment,
    SetOptions,
    SetTrustLineFlags,
    Signer,
    TrustLineFlags,
)
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.core.verdict import threshold
from agent.ledger.envelope import sdk_asset, sdk_price

ISSUED: Stroops = 1_000_000 * UNIT
"""DLM and VLM that an initiator issues to its settlement account, once. What is missing there is unredeemed credit."""


DATA_PREFIX = "milepost/"
WITHIN = 10
"""Ledgers within which a publication applies or never does. Until they are over its bundle is kept back: nobody can
hand in the step to a round which others do not know of yet."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What an initiator's data entry says of a model: digest (32 bytes), offer (8) and ledger (4), big endian."""

    cid: CidText
    """CID of the newest round's bundle."""
    offer: int
    """Its offer. 0: not known when it was signed; it is the only one for this model then."""
    ledger: int
    """The last one in which its publication could apply; the round is open after it."""

    def to_bytes(self) -> bytes:
        return Cid.parse(self.cid).digest + self.offer.to_bytes(8, "big") + self.ledger.to_bytes(4, "big")

    @classmethod
    def read(cls, data: bytes) -> Sign | None:
        """None: it is no such entry."""
        if len(data) != 44:
            return None
        return cls(Cid.v0(data[:32]).text, int.from_bytes(data[32:40], "big"), int.from_bytes(data[40:], "big"))


def offer(dlm: Asset, budget: Stroops, reward: Stroops, sign: Sign) -> list[Operation]:
    """Sell `budget` XLM for DLM so that 1.0 DLM fetches `reward` XLM; the initiator's data entry says what for."""
    price = sdk_price(Fraction(UNIT, reward))
    return [
        ManageSellOffer(sdk_asset(XLM), sdk_asset(dlm), text(budget), price, offer_id=sign.offer),
        ManageData(data_name(dlm), sign.to_bytes()),
    ]


def data_name(dlm: Asset) -> str:
    """Of the initiator's data entry about its model's offer."""
    return DATA_PREFIX + dlm.code


def operator_account(dlc: Asset, amount: Stroops, price: Fraction, home_domain: str | None = None) -> list[Operation]:
    """DLC needs authorisation, can be revoked and clawed back; the issuer sells it for XLM at `price` each."""
    flags = (
        AuthorizationFlag.AUTHORIZATION_REQUIRED
        | AuthorizationFlag.AUTHORIZATION_REVOCABLE
        | AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED
    )
    return [
        SetOptions(set_flags=flags, home_domain=home_domain),
        ManageSellOffer(sdk_asset(dlc), sdk_asset(XLM), text(amount), sdk_price(price)),
    ]


def authorise(dlc: Asset, holders: Sequence[AccountId]) -> list[Operation]:
    """The compliance desk lets these accounts hold DLC."""
    return [SetTrustLineFlags(holder, sdk_asset(dlc), set_flags=TrustLineFlags.AUTHORIZED_FLAG) for holder in holders]


def settlement_account(initiator: AccountId, settlement: AccountId, starting_xlm: Stroops) -> list[Operation]:
    """Signed by the initiator."""
    return [CreateAccount(settlement, text(starting_xlm), source=initiator)]


def settlement_setup(
    initiator: AccountId, settlement: AccountId, dlc: Asset, dlm: Asset, vlm: Asset, committee: Sequence[AccountId]
) -> list[Operation]:
    """Signed by settlement (once, for the last time) and initiator: trustlines, the issue, and the committee as signers
    with weight 1, master weight 0, all thresholds ceil(2N/3)."""
    needed = threshold(len(committee))
    return [
        *(ChangeTrust(sdk_asset(asset), source=settlement) for asset in (dlc, dlm, vlm)),
        *(Payment(settlement, sdk_asset(asset), text(ISSUED), source=initiator) for asset in (dlm, vlm)),
        *(SetOptions(signer=Signer.ed25519_public_key(v, 1), source=settlement) for v in committee),
        SetOptions(
            master_weight=0,
            low_threshold=needed,
            med_threshold=needed,
            high_threshold=needed,
            source=settlement,
        ),
    ]
