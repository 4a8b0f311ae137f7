"""Hostile vehicles, as the chaos run met them."""

from __future__ import annotations

from stellar_sdk import Account, ClaimClaimableBalance, Keypair, Payment, TransactionBuilder

from agent.core.ledger import BALANCE_V0
from agent.core.money import Asset, text
from agent.ledger.envelope import opened, sdk_asset
from agent.market import settlement

PASSPHRASE = "Milepost Test ; 2026"


def test_work_that_earns_a_few_stroops_makes_no_settlement_unreadable() -> None:
    """A credit below ten stroops: the SDK reads the payment back as 3E-7. Its vehicle, every validator that looks for
    the entry's end, and the audit read the same settlement, and would have been held up by it for good."""
    account, vehicle, issuer = (Keypair.random().public_key for _ in range(3))
    stake, vlm, dlc = "ab" * 32, Asset("VLMroad", issuer), Asset("DLC", issuer)
    builder = TransactionBuilder(Account(account, 1), PASSPHRASE, base_fee=100).add_time_bounds(0, 1)
    for operation in (
        ClaimClaimableBalance(BALANCE_V0 + stake),
        Payment(vehicle, sdk_asset(dlc), text(1)),
        Payment(vehicle, sdk_asset(vlm), text(3)),
    ):
        builder.append_operation(operation)
    read = settlement.read(opened(builder.build().to_xdr(), PASSPHRASE), account)
    assert read[stake] == settlement.StakeOutcome("accepted", credit=3, returned=1)
